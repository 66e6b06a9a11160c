"""A TensorBoard in this process, for tests and for tools/tensorboard_screens.py."""

from pathlib import Path

from tensorboard import program


def launched(logdir: Path) -> str:
    """Returns the address of a TensorBoard that reads a folder."""
    tensorboard = program.TensorBoard()
    flags = ['--logdir', str(logdir), '--host', '127.0.0.1', '--port', '0', '--load_fast', 'false']
    tensorboard.configure(argv=['tensorboard', *flags])
    return tensorboard.launch().rstrip('/')
