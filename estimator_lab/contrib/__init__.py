"""The part of ``tf.contrib`` that Estimator programs use: ``import estimator_lab.contrib``, once.

Then ``tf.contrib.layers.fully_connected``, ``from tensorflow.contrib import tpu as contrib_tpu``,
``from tensorflow.contrib.training.python.training import hparam`` and the like work, on 2.15 to 2.21.
Each name comes from its place in today's TensorFlow, tensorflow-estimator or tf-slim, or from a few modules
here that keep the variable names and the numbers of TensorFlow 1.15; `sources` lists them all. The reference
of 1.15 describes their arguments. A package is loaded at its first use. A missing name raises
AttributeError with one sentence that says what replaces it. A missing package can be imported, and raises
NotImplementedError with such a sentence when it is used.

A program that uses ``tf.contrib`` was written for TensorFlow 1, where the length of an axis is
``x.shape[0].value``. So the import calls ``tf.disable_v2_tensorshape()`` for the whole process;
``tf.enable_v2_tensorshape()`` below it reverses that. Other v2 behaviour is not changed.
"""

from estimator_lab.contrib.modules import install
from estimator_lab.tf1 import tf

install()
tf.disable_v2_tensorshape()
