"""AWS, by boto3 alone: its clients and their errors (clients.py), and the files of a run on S3 (s3_files.py)."""
