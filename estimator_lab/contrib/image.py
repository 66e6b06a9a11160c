"""``tf.contrib.image``: rotations and other projective transformations, in the kernels of TensorFlow.

A transformation is 8 numbers a0, a1, a2, b0, b1, b2, c0, c1: the output pixel (x, y) is the input pixel
((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with k = c0 x + c1 y + 1.
"""

from estimator_lab.tf1 import Tensor, tf


def transform(
    images: Tensor,
    transforms: Tensor,
    interpolation: str = 'NEAREST',
    output_shape: Tensor = None,
    name: str | None = None,
) -> Tensor:
    """Applies projective transformations; pixels outside of an image are 0.

    Raises:
      TypeError: if the images have another number of axes than two to four.
    """
    with tf.name_scope(name, 'transform'):
        images = tf.convert_to_tensor(images)
        transforms = tf.convert_to_tensor(transforms, dtype=tf.float32)
        axes = images.shape.ndims
        if axes not in (2, 3, 4):
            raise TypeError('Images should have rank between 2 and 4.')
        batch = images if axes == 4 else images[None] if axes == 3 else images[None, :, :, None]
        found = tf.raw_ops.ImageProjectiveTransformV2(
            images=batch,
            transforms=transforms if transforms.shape.ndims == 2 else transforms[None],
            output_shape=tf.shape(batch)[1:3] if output_shape is None else tf.cast(output_shape, tf.int32),
            interpolation=interpolation.upper(),
        )
        if output_shape is None:
            found.set_shape(batch.shape)
        return found if axes == 4 else found[0] if axes == 3 else found[0, :, :, 0]


def rotate(images: Tensor, angles: Tensor, interpolation: str = 'NEAREST', name: str | None = None) -> Tensor:
    """Rotates images about their centres, counter-clockwise by angles in radians, a scalar or [batch]."""
    with tf.name_scope(name, 'rotate'):
        images = tf.convert_to_tensor(images)
        first = 1 if images.shape.ndims == 4 else 0
        height, width = (tf.cast(tf.shape(images)[first + axis], tf.float32) for axis in (0, 1))
        return transform(images, angles_to_projective_transforms(angles, height, width), interpolation)


def translate(
    images: Tensor, translations: Tensor, interpolation: str = 'NEAREST', name: str | None = None
) -> Tensor:
    """Moves images by (dx, dy), float [2] or [batch, 2]."""
    with tf.name_scope(name, 'translate'):
        return transform(images, translations_to_projective_transforms(translations), interpolation)


def angles_to_projective_transforms(
    angles: Tensor, image_height: Tensor, image_width: Tensor, name: str | None = None
) -> Tensor:
    """Returns the transformations [batch, 8] for rotations about the centre by radians [batch]."""
    with tf.name_scope(name, 'angles_to_projective_transforms'):
        angles = tf.reshape(tf.convert_to_tensor(angles, dtype=tf.float32), [-1])
        width, height = image_width - 1, image_height - 1
        cos, sin, zero = tf.cos(angles), tf.sin(angles), tf.zeros_like(angles)
        x = (width - (cos * width - sin * height)) / 2.0
        y = (height - (sin * width + cos * height)) / 2.0
        return tf.stack([cos, -sin, x, sin, cos, y, zero, zero], 1)


def translations_to_projective_transforms(translations: Tensor, name: str | None = None) -> Tensor:
    """Returns the transformations [batch, 8] for moves by (dx, dy), float [2] or [batch, 2]."""
    with tf.name_scope(name, 'translations_to_projective_transforms'):
        moves = tf.reshape(tf.convert_to_tensor(translations, dtype=tf.float32), [-1, 2])
        one, zero = tf.ones_like(moves[:, 0]), tf.zeros_like(moves[:, 0])
        return tf.stack([one, zero, -moves[:, 0], zero, one, -moves[:, 1], zero, zero], 1)
