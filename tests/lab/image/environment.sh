# Sourced by the entry point of the image.
# UTF-8 by default, with decimal points: a decimal comma breaks data files.
export LANG=C.UTF-8
export LC_NUMERIC=C
