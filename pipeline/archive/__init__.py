"""Reading archives of strangers: regular members as streams, never files of their own naming."""
