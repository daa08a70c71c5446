"""What the examples' run.py have in common: the Tandem process, how it fails, what a command line says."""
