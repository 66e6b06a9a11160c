"""Hyper-parameters of a GAN."""

import dataclasses
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core.adversarial.augmentation import AUGMENTATIONS
from estimator_lab.core.adversarial.losses import LOSSES
from estimator_lab.core.params import TrainingParams, clip_norm_hparam, structural
from estimator_lab.errors import FlagError


def _has_adam(params: Any) -> bool:
    return bool(params.optimizer == 'adam')


@dataclasses.dataclass(frozen=True)
class AdversarialParams(TrainingParams):
    """Parameters of every GAN, whatever its networks."""

    latent_size: int = structural(64, 'numbers in a latent vector, at least 1', lower=1)
    clip_norm: float = clip_norm_hparam(0.0)
    learning_rate: float = setting(0.0005, "the generator's initial learning rate, above 0", above=0)
    discriminator_learning_rate: float = setting(
        0.0, "the discriminator's initial learning rate; 0 for the generator's", lower=0
    )
    beta1: float = setting(0.5, "adam's decay of the mean gradient", lower=0, below=1, used_if=_has_adam)
    beta2: float = setting(
        0.999, "adam's decay of the mean squared gradient", lower=0, below=1, used_if=_has_adam
    )
    epsilon: float = setting(
        1e-8, "adam's constant for numerical stability, above 0", above=0, used_if=_has_adam
    )
    loss: str = setting(
        '',
        "both players' losses; '' for non_saturating, for semi_supervised feature_matching",
        choices=('', *LOSSES),
    )
    gradient_penalty: float = setting(
        10.0,
        'weight of the gradient penalty, for loss=wasserstein',
        lower=0,
        used_if=lambda params: params.chosen_loss == 'wasserstein',
    )
    r1: float = setting(
        0.0,
        'weight of the squared gradients at real images (Mescheder et al. 2018); 0 for none',
        lower=0,
    )
    augment_both: str = setting(
        '',
        'augmentations of images and fakes for the discriminator, for small data sets: '
        f'{", ".join(AUGMENTATIONS)}, joined by "-" (Zhao et al. 2020)',
        pattern=f'(({"|".join(AUGMENTATIONS)})(-(?!$)|$))*',
    )
    discriminator_steps: int = setting(
        1, 'steps of the discriminator, each on a slice of the batch, per step of the generator', lower=1
    )
    average_decay: float = setting(
        0.999,
        "decay of the average of the generator's weights, in [0, 1); 0 for no average",
        lower=0,
        below=1,
    )
    conditional: bool = structural(False, 'whether both networks are conditioned on the label')
    semi_supervised: bool = structural(
        False, 'whether the discriminator also classifies, with labels for some of the images'
    )
    judge: str = setting('', 'model_dir of a classifier that scores the samples; none: no such scores')

    @property
    def chosen_loss(self) -> str:
        """A name in LOSSES."""
        return self.loss or ('feature_matching' if self.semi_supervised else 'non_saturating')

    @property
    def classes(self) -> int:
        """Number of classes that the networks use; 0 for none."""
        return len(self.vocabulary) if self.conditional or self.semi_supervised else 0

    @property
    def smallest_batch(self) -> int:
        """See `TrainingParams`: batch normalisation of one image is 0, and each slice needs an image."""
        return max(2, self.discriminator_steps)


def check_game(params: AdversarialParams) -> None:
    """Raises FlagError for hyper-parameters that cannot be combined."""
    if params.accumulate > 1:
        raise FlagError(
            'A GAN cannot accumulate gradients, as its networks learn in turn.',
            accumulate='Leave out --accumulate.',
        )
    if params.conditional and params.semi_supervised:
        raise FlagError(
            '--hparams=conditional=true gives the discriminator the labels that semi_supervised=true has it '
            'predict: give one of them.'
        )
    if params.semi_supervised and params.chosen_loss not in ('feature_matching', 'non_saturating'):
        raise FlagError(
            f'--hparams=loss={params.loss} has no probabilities, which semi_supervised=true needs: use '
            'feature_matching or non_saturating.'
        )
    if params.classes == 1:
        raise FlagError('--hparams=conditional=true and semi_supervised=true need two labels or more.')
