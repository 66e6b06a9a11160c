"""Makes the targets of style transfer: --hparams=perceptual=MODEL_DIR,style_image=wave.jpg.

The perceptual network, up to the last layer used, is saved in model_dir with the Gram matrices of the
style pictures.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.base.keys import to_unit_range
from estimator_lab.base.printable import safe_name
from estimator_lab.core.abilities import Companions, HasNetwork
from estimator_lab.core.endpoints import Endpoints, maps_of
from estimator_lab.models.fixed_network import FixedNetwork, layers_of, with_weights, without_weights
from estimator_lab.models.style.perceptual import (
    FILE,
    PerceptualLoss,
    load_perceptual_loss,
    pattern,
    random_network,
    targets_of,
)
from estimator_lab.runs.companions import check_same_companions, open_picture, pictures_below
from estimator_lab.runs.trained import Trained

_NETWORK_FLAG, _PICTURE_FLAG = hparam.perceptual, hparam.style_image
STYLE_SIDE = 256
"""Pixels of a style picture's shorter side, to which larger ones are scaled down."""

_SMALLEST_SIDE = 32  # pixels of a style picture
_MOST_OBLONG = 8
_MOST_STYLES = 64
_LONGEST_PLACE = 200  # characters, as in a record
_STYLE_LAYERS = 4  # by default
_CONTENT_LAYER = 1  # of these


@dataclass(frozen=True)
class Style:
    """A style picture.

    Attributes:
      name: of the style.
      image: the picture.
      place: its path, for errors.
    """

    name: str
    image: Image.Image
    place: str

    def picture(self, channels: int, side: int) -> np.ndarray:
        """Returns its pixels, float32 [height, width, channels] in [0, 1].

        Args:
          channels: 1 or 3.
          side: pixels of the shorter side; larger pictures are scaled down to it.

        Raises:
          DataError: it is too small.
        """
        image = self.image
        shorter, longer = sorted(image.size)
        if shorter < _SMALLEST_SIDE or longer > _MOST_OBLONG * shorter:
            raise DataError(
                f'{_PICTURE_FLAG}={self.place} has {image.width} x {image.height} pixels: a style needs at '
                f'least {_SMALLEST_SIDE} across and down, and no side {_MOST_OBLONG} times the other.'
            )
        image = image.convert('L' if channels == 1 else 'RGB')
        if shorter > side:
            width, height = (round(length * side / shorter) for length in image.size)
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        return to_unit_range(np.asarray(image).reshape(image.height, image.width, channels))


def companions(params: Any, model_dir: Path, resumed: Mapping[str, Any] | None) -> Companions:
    """Returns the styles and the perceptual network of a training: see `core.abilities.HasCompanions`."""
    check_same_companions(params, ['perceptual', 'style_image'], model_dir, resumed)
    for name in ('style_image', 'perceptual'):
        if len(getattr(params, name)) > _LONGEST_PLACE:
            raise FlagError(f'{hparam(name)} has more than {_LONGEST_PLACE} characters: name a folder.')
    path = model_dir / FILE
    if resumed is None or not path.exists():
        perceptual_loss, names = make_style_targets(params)
        return {'styles': names}, {FILE: perceptual_loss.save}
    perceptual_loss = load_perceptual_loss(path)
    styles = resumed.get('styles')
    if not isinstance(styles, list) or [type(name) for name in styles] != [str] * perceptual_loss.styles:
        raise DataError(f'{path} has {perceptual_loss.styles} styles, but experiment.json lists others.')
    return {'styles': tuple(styles)}, {FILE: perceptual_loss.save}


def make_style_targets(params: Any) -> tuple[PerceptualLoss, tuple[str, ...]]:
    """Returns the perceptual loss for these parameters, and the names of the styles.

    Strokes are as large as a style picture, whose shorter side is scaled to `STYLE_SIDE` pixels.

    Raises:
      FlagError: the network lacks a layer.
      DataError: a picture or a network can't be used.
    """
    styles = read_styles(params.style_image)
    channels = params.image_shape[2]
    pictures = [style.picture(channels, STYLE_SIDE) for style in styles] or [pattern(channels)]
    if params.perceptual:
        trained, network = _open_network(params)
    else:
        trained, network = None, random_network(channels)
    style_layers, content_layer = chosen_layers(layers_of(network, params.image_shape), params)
    if trained:
        sides, used = (None, None, network.channels), [*style_layers, content_layer]
        network = with_weights(network, trained, used, sides, _NETWORK_FLAG)
    targets = [targets_of(network, picture, style_layers) for picture in pictures]
    grams = {layer: np.stack([of_picture[layer] for of_picture in targets]) for layer in style_layers}
    names = tuple(style.name for style in styles) or type(params).styles
    return PerceptualLoss(network, content_layer, grams), names


def read_styles(places: str) -> list[Style]:
    """Returns style pictures.

    Places are paths with + between them, or a folder; '' for none.

    Raises:
      DataError: a picture does not exist or can't be read; a folder has none.
      FlagError: there are too many.
    """
    if places and Path(places).is_dir():
        files = pictures_below(places)
        if not files:
            raise DataError(f'{_PICTURE_FLAG}={places} holds no picture.')
    else:
        files = [places] if Path(places).is_file() else list(filter(None, places.split('+')))
    if len(files) > _MOST_STYLES:
        raise FlagError(f'{_PICTURE_FLAG}={places} are {len(files)} styles: {_MOST_STYLES} are allowed.')
    styles: list[Style] = []
    for file in files:
        image = open_picture(file, _PICTURE_FLAG)
        name = safe_name(Path(file).stem)
        while name in {style.name for style in styles}:
            name += '_'
        styles.append(Style(name, image, file))
    return styles


def chosen_layers(layers: Endpoints, params: Any) -> tuple[list[str], str]:
    """Returns the style layers, and the content layer.

    By default the style layers are the last convolution at each of the first four map sizes, for VGG-16
    conv1_2, conv2_2, conv3_3 and conv4_3; the content layer is the second of them, conv2_2 (Johnson et al.
    2016, section 4.1), or the only one.

    Raises:
      FlagError: a layer does not exist; the message lists the layers.
      DataError: the network has no convolutions.
    """
    names = [name for name, maps in layers.items() if maps.shape.rank == 4]
    last_at = {maps.shape.as_list()[1]: name for name, maps in maps_of(layers).items()}
    if not last_at:
        raise DataError(
            f'{_NETWORK_FLAG}={params.perceptual} has no convolutions: name the folder of {option.model}=vgg '
            'or cnn.'
        )
    usual = list(last_at.values())[:_STYLE_LAYERS]
    style_layers = [name.strip() for name in params.style_layers.split('+')] if params.style_layers else usual
    content = params.content_layer or usual[min(_CONTENT_LAYER, len(usual) - 1)]
    for flag, chosen in (('style_layers', style_layers), ('content_layer', [content])):
        for name in chosen:
            if name not in names:
                raise FlagError(
                    f'{hparam(flag)}={getattr(params, flag)}: the perceptual network has no layer '
                    f'{name!r}; it has {", ".join(names)}.'
                )
    return [name for name in names if name in style_layers], content


def _open_network(params: Any) -> tuple[Trained, FixedNetwork]:
    """Returns the model that the parameters name, and its network, without weights.

    Raises:
      FlagError: the images are too small for it.
      DataError: it accepts other images, or is not one that can be built layer by layer.
    """
    flag = f'{_NETWORK_FLAG}={params.perceptual}'
    trained = Trained.open(Path(params.perceptual), _NETWORK_FLAG)
    model = trained.architecture
    if not trained.kind.has_pixels:
        raise DataError(f'{flag} looks at {trained.kind.noun}, not at images.')
    if trained.shape.channels == 1 and params.image_shape[2] == 3:
        raise DataError(
            f'{flag} was trained on grey images: name one that was trained with {option.channels}=3, or give '
            f'{option.channels}=1.'
        )
    if not isinstance(model, HasNetwork):
        raise DataError(f'{flag} has no convolutions: name the folder of {option.model}=vgg or cnn.')
    try:
        dataclasses.replace(trained.params, image_shape=params.image_shape).check()
    except FlagError as error:
        raise FlagError(f'{flag}: {error.marked}') from error
    return trained, without_weights(trained)
