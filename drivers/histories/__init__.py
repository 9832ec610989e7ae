"""New columns of a table from the past of its entities: what is asked, the pass, and where its answer goes."""
