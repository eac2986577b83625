"""What a step is: the code that it runs, and the key that tells whether its output may be used again."""
