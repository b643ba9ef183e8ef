"""What the Snakefile needs beside its rules."""
