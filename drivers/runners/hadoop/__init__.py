"""YARN, by Hadoop Streaming.

runner.py          what a run does there                mrjob_runner.py   mrjob's runner, refined
cluster_folder.py  what a run brings to HDFS            command.py        the hadoop command and its errors
files.py           the files of a cluster                news.py           what its client tells while a job runs
leftovers.py       what a killed run leaves there
"""
