"""What `clipmill bench` measures: this machine on one's own videos, beside other libraries."""
