"""Hadoop on a cluster of AWS.

runner.py    what a run does there            mrjob_runner.py  mrjob's runner, refined
options.py   what the user set                plan.py          what a run would take and cost
request.py   what is asked of AWS             clusters.py      the life of a cluster
steps.py     the life of a job on it          logs.py          its logs, polled
"""
