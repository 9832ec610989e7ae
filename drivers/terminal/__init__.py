"""What the user sees while a program runs and when it has ended."""
