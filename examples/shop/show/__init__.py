"""What run.py is made of: the process, the load and the checks."""
