"""The TF1 Estimator on today's TensorFlow, training the classic networks from image archives.

Importing this package does no TensorFlow work; ``estimator_lab.tf1`` does.
"""

import sys

# `-m` puts the working folder first on the path, where a program's types.py or random.py would hide Python's.
# `run` puts the program's folder there.
if sys.argv[:1] == ['-m'] and 'estimator_lab.run' in sys.orig_argv and not getattr(sys.flags, 'safe_path', 0):
    sys.path[0] = sys.path[1]

from typing import Any

from estimator_lab.base.version import __version__ as __version__

# While Python still imports a command, Ctrl-C ends it without a traceback; then `Command.run` takes over.
_IS_COMMAND = sys.argv[:1] == ['-m'] and __name__ in {part.partition('.')[0] for part in sys.orig_argv}
if _IS_COMMAND:
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def load_ipython_extension(shell: Any) -> None:
    """Implements `%load_ext estimator_lab`: the cells that follow, and what they import, run as by `run`.

    Colab's `%tensorflow_version 1.x` is accepted from then on, and does nothing.
    """
    from estimator_lab.run import adapt_programs

    shell.ast_transformers.append(adapt_programs().cells(shell.user_ns.get('In', ())))
    shell.register_magic_function(lambda line: None, magic_name='tensorflow_version')
