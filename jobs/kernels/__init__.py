"""The mathematics, one module an algorithm: numpy only, no mrjob, no files, no options."""
