"""poise serve: the processes of a whole service, started, watched and stopped."""
