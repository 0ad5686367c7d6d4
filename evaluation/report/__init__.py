"""The go/no-go report: measured from stored rankings, put into sections, written as a page or a file."""
