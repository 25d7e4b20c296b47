"""What stands before the routes: who may ask, how often, how much at a time, and how slowly."""
