"""What drivers/describe.py says of a table: the question of its pass, the file that merges, the summary and its remarks."""
