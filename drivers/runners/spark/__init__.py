"""Spark, by mrjob's harness: on this machine, on a master of its own, or on YARN.

runner.py  what a run does there   mrjob_runner.py  mrjob's runner, refined   harness.py  what spark-submit runs
master.py  the master              installation.py  where Spark is
"""
