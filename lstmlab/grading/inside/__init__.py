"""What runs inside the sandbox: the runner, and the little of lstmlab that a student's code may import there."""
