from manifests.cli import app
verbs = app()
