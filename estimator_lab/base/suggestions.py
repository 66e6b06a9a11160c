"""Which name a user may have meant by one that does not exist."""

import difflib
from collections.abc import Collection

HPARAMS = (
    *('optimizer', 'learning_rate', 'learning_rate_schedule', 'warmup_steps', 'momentum', 'clip_norm'),
    *('activation', 'filters', 'kernel_size', 'dense_units', 'dropout_rate', 'weight_decay', 'layers'),
    *('hidden_units', 'latent_size', 'style_image', 'conditional', 'depth', 'kind'),
)
"""Common hyper-parameters, for commands that have not loaded the models."""

# What other programs call things. The first two names that exist are suggested.
_ALIASES = {
    'learning_rate': 'lr eta rate learningrate base_lr initial_learning_rate',
    'optimizer': 'opt optim optimiser',
    'learning_rate_schedule': 'scheduler lr_schedule schedule lr_scheduler decay lr_decay',
    'warmup_steps': 'warmup',
    'clip_norm': 'clip grad_clip clipnorm gradient_clip',
    'dropout_rate': 'dropout drop keep_prob drop_rate',
    'weight_decay': 'wd l2 regularization',
    'layers': 'hidden_layers num_layers hidden_units hidden units',
    'hidden_units': 'hidden n_hidden num_hidden',
    'dense_units': 'units hidden_units',
    'latent_size': 'z_dim latent_dim latent noise_dim',
    'max_steps': 'steps train_steps num_steps iterations iters max_iter total_steps',
    'epochs': 'epoch num_epochs n_epochs nepochs max_epochs',
    'batch_size': 'bs batch minibatch batchsize train_batch_size',
    'data': 'dataset train_data data_dir train_dir training_data input inputs images train archive path',
    'image': 'img photo picture input_image input file',
    'eval_data': 'test_data val_data validation_data test val dev_data test_dir val_dir',
    'split': 'validation_split val_split test_split',
    'model': 'net network arch architecture backbone',
    'model_dir': 'logdir log_dir output_dir out_dir save_dir checkpoint_dir ckpt_dir checkpoint ckpt run '
    'output out dir savedir job_dir',
    'out': 'output output_dir out_dir output_file save save_path target export_dir dest',
    'files': 'output output_dir out_dir',
    'image_size': 'size img_size resolution input_size side width height',
    'size': 'image_size side resolution width height',
    'channels': 'grayscale greyscale colour color rgb gray',
    'augment': 'augmentation aug flip data_augmentation',
    'warm_start': 'pretrained weights load init_checkpoint finetune fine_tune initial_weights resume '
    'restore checkpoint from_checkpoint',
    'freeze': 'frozen freeze_backbone freeze_layers frozen_layers train_head_only trainable',
    'save_checkpoints_steps': 'save_every checkpoint_every save_steps eval_every save_interval',
    'save_checkpoints_seconds': 'save_checkpoints_secs checkpoint_seconds save_secs',
    'communication': 'collective all_reduce nccl',
    'keep_checkpoints': 'keep max_to_keep keep_checkpoint_max',
    'save_summary_steps': 'log_every log_steps summary_steps',
    'early_stopping': 'patience',
    'precision': 'fp16 bf16 amp mixed_precision dtype half',
    'distribution': 'gpus num_gpus strategy tpu',
    'device': 'gpu cuda cpu use_gpu gpu_id',
    'allow_growth': 'gpu_memory memory_growth gpu_memory_fraction',
    'seed': 'random_seed random_state rng',
    'vocabulary': 'classes class_names label_map labels_file names vocab',
    'onnx': 'format',
    'tflite': 'format lite tf_lite quantize',
    'count': 'n num samples num_samples number',
    'top': 'k topk top_k',
    'layer': 'endpoint layers block',
    'iterations': 'steps num_iterations',
    'step_size': 'lr learning_rate rate',
    'verbose': 'debug v log_level loglevel',
    'eval_steps': 'steps max_steps limit',
    'worst': 'errors mistakes',
    'shards': 'num_shards parts n_shards',
    'json': 'format',
    'style': 'style_image',
    'set': 'dataset name data_set',
}


def suggested(name: str, known: Collection[str]) -> list[str]:
    """Returns up to two of the known names that may have been meant, the most likely first.

    Examples:
        >>> suggested('lr', ['epochs', 'learning_rate'])
        ['learning_rate']
        >>> suggested('epoc', ['epochs', 'learning_rate'])
        ['epochs']
    """
    plain = name.lower().replace('-', '_')
    if plain in known:
        return [plain]
    meant = [right for right, others in _ALIASES.items() if right in known and plain in others.split()]
    return meant[:2] or difflib.get_close_matches(plain, known, n=2, cutoff=0.65)


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Returns the sentence for an unknown name: 'Unknown hyper-parameter 'lr'; did you mean learning_rate?'.

    Examples:
        >>> unknown('Unknown setting', 'lr', ['epochs', 'learning_rate'])
        "Unknown setting 'lr'; did you mean learning_rate? Known are: epochs, learning_rate."

    Args:
      what: kind of the name, with a capital.
      name: as given.
      known: the names that exist; listed in addition.
    """
    near = suggested(name, known)
    meant = f'did you mean {" or ".join(near)}? Known' if near else 'known'
    return f'{what} {name!r}; {meant} are: {", ".join(known)}.'
