"""A model as a service over HTTP: rows in JSON become a block, and its scores JSON again."""
