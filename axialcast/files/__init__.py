"""What is on disk: whole or absent, known by its contents, held by one, removed by its maker."""
