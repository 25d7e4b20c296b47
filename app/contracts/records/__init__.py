"""What both processes keep about jobs, trainings, versions, datasets and generators."""
