"""What the Snakefile needs beside its rules. Nothing here loads pandas, matplotlib or TensorFlow."""
