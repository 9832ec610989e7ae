"""The runners of mrjob: what each needs before a pass, and what its errors mean."""
