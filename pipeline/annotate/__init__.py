"""Official lists, CSV files and folders of videos become clips, labels and splits."""
