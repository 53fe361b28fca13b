"""`clipmill demo`: made-up actions, and the whole road on them."""
