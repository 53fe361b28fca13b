"""Videos of YouTube, and of mirrors that have them by their ids, through yt-dlp as a library."""
