"""A fake of AWS on which the streaming steps of EMR really run, by Hadoop's rules.

    fake_aws        FakeAWS: what a test sees
    moto_emr        moto's EMR, with what real EMR does and moto does not
    executor        the life of a cluster: bootstrap actions, the queue of steps, how it ends
    streaming       one streaming step: map tasks, sort, reduce tasks, output
    attempt         one attempt at a task: a working folder, an environment, a process
    arguments       the command line of Hadoop Streaming
    splits          which bytes a map task reads, and which lines these are
    shuffle         keys and values, partitions, the order of keys
    files           S3 and HDFS
    node            a machine of the cluster: its folder, its programs, its processes
    logs            what EMR leaves on S3 of all this
    aws_cli         `aws s3 cp` for the node

Where Hadoop refuses something, so does this, in Hadoop's words; what is not modelled is told in FakeAWS.errors.
"""
