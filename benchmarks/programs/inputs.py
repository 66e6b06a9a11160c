"""Small synthetic inputs for the programs of `recipes.toml`, each a function that writes into a folder."""

import gzip
import importlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

WORDS = tuple(f'word{number}' for number in range(40))
CONFIG = {
    'attention_probs_dropout_prob': 0.1,
    'embedding_size': 8,
    'hidden_act': 'gelu',
    'hidden_dropout_prob': 0.1,
    'hidden_size': 16,
    'initializer_range': 0.02,
    'ln_type': 'postln',
    'intermediate_size': 32,
    'max_position_embeddings': 512,
    'num_attention_heads': 2,
    'num_hidden_groups': 1,
    'num_hidden_layers': 2,
    'inner_group_num': 1,
    'type_vocab_size': 2,
    'vocab_size': 64,
}


def sentences(count: int) -> list[str]:
    """Returns sentences of five words."""
    chosen = np.random.default_rng(0).integers(0, len(WORDS), [count, 5])
    return [' '.join(WORDS[index] for index in row) for row in chosen]


def bert(folder: Path) -> None:
    """Writes vocab.txt, config.json, and tables of labelled sentences in the format of CoLA."""
    vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *WORDS]
    (folder / 'vocab.txt').write_text('\n'.join(vocabulary) + '\n')
    (folder / 'config.json').write_text(json.dumps(CONFIG))
    data = folder / 'CoLA'
    data.mkdir()
    for name, count in (('train', 16), ('dev', 8)):
        rows = [f'x\t{index % 2}\t*\t{text}\n' for index, text in enumerate(sentences(count))]
        (data / f'{name}.tsv').write_text(''.join(rows))
    rows = [f'{index}\t{text}\n' for index, text in enumerate(sentences(8))]
    (data / 'test.tsv').write_text('index\tsentence\n' + ''.join(rows))


def imdb(folder: Path) -> None:
    """Writes imdb/{train,test}/{pos,neg}/*.txt: reviews."""
    for split in ('train', 'test'):
        for kind in ('pos', 'neg'):
            (folder / 'imdb' / split / kind).mkdir(parents=True)
            for index, line in enumerate(sentences(8)):
                (folder / 'imdb' / split / kind / f'{index}.txt').write_text(f'{line}\n')


def text(folder: Path) -> None:
    """Writes text/text.txt: documents of sentences."""
    lines = [f'{line}.\n' + ('\n' if index % 5 == 4 else '') for index, line in enumerate(sentences(200))]
    (folder / 'text').mkdir()
    (folder / 'text' / 'text.txt').write_text(''.join(lines))


def corpus(folder: Path) -> None:
    """Writes ptb/{train,valid,test}.txt: sentences."""
    (folder / 'ptb').mkdir()
    for split in ('train', 'valid', 'test'):
        (folder / 'ptb' / f'{split}.txt').write_text('\n'.join(sentences(100)) + '\n')


def protocol_buffers(folder: Path) -> None:
    """Writes a Python module for each .proto file of the program; needs the package grpcio-tools."""
    files = [str(file.relative_to(folder)) for file in folder.rglob('*.proto')]
    compiler = [sys.executable, '-m', 'grpc_tools.protoc', '--proto_path=.', '--python_out=.']
    subprocess.run([*compiler, *files], cwd=folder, check=True)


def digits(folder: Path) -> None:
    """Writes mnist/: the four files of MNIST with 128 random images each, compressed and not."""
    rng = np.random.default_rng(0)
    (folder / 'mnist').mkdir()
    for name, count in (('train', 128), ('t10k', 128)):
        images = rng.integers(0, 256, [count, 28, 28]).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = struct.pack('>iiii', 2051, count, 28, 28)
        for kind, data in (
            ('images-idx3', header + images.tobytes()),
            ('labels-idx1', struct.pack('>ii', 2049, count) + labels.tobytes()),
        ):
            (folder / 'mnist' / f'{name}-{kind}-ubyte').write_bytes(data)
            with gzip.open(folder / 'mnist' / f'{name}-{kind}-ubyte.gz', 'wb') as file:
                file.write(data)


def raw_images(folder: Path) -> None:
    """Writes {train,eval,test}.tfrecords: images of 32 x 32 bytes, with labels."""
    tf = _tensorflow()
    rng = np.random.default_rng(0)
    for name in ('train', 'eval', 'test'):
        with tf.io.TFRecordWriter(str(folder / f'{name}.tfrecords')) as writer:
            for index in range(16):
                image = rng.integers(0, 256, 32 * 32 * 3).astype(np.uint8).tobytes()
                writer.write(_example(image_raw=image, label=index % 10))


def census(folder: Path) -> None:
    """Writes adult.csv: rows of the census data set, without a header."""
    row = (
        '{age}, {work}, {weight}, {school}, {years}, Never-married, Sales, {kin}, White, {sex}, 0, 0, '
        '{hours}, United-States, {income}\n'
    )
    rng = np.random.default_rng(0)
    rows = [
        row.format(
            age=rng.integers(20, 70),
            work=rng.choice(['Private', 'State-gov']),
            weight=rng.integers(10000, 90000),
            school=rng.choice(['HS-grad', 'Bachelors']),
            years=rng.integers(5, 14),
            kin=rng.choice(['Husband', 'Wife']),
            sex=rng.choice(['Male', 'Female']),
            hours=rng.integers(20, 60),
            income=rng.choice(['<=50K', '>50K']),
        )
        for _ in range(128)
    ]
    (folder / 'adult.csv').write_text(''.join(rows))


def clicks(folder: Path) -> None:
    """Writes clicks/{tr,va,te}.libsvm: a label and index:value pairs a line, of 39 fields."""
    (folder / 'clicks').mkdir()
    rng = np.random.default_rng(0)
    for name in ('tr1', 'va1', 'te1'):
        rows = [
            f'{rng.integers(0, 2)} '
            + ' '.join(f'{field * 3 + rng.integers(0, 3)}:{rng.random():.3f}' for field in range(39))
            for _ in range(64)
        ]
        (folder / 'clicks' / f'{name}.libsvm').write_text('\n'.join(rows) + '\n')


def pieces(folder: Path) -> None:
    """Writes pieces.model, a SentencePiece model of 60 pieces, and xlnet.json, the sizes of a small XLNet."""
    sentencepiece: Any = importlib.import_module('sentencepiece')
    config: dict[str, int | str | bool] = {
        'd_head': 8,
        'd_inner': 32,
        'd_model': 16,
        'n_head': 2,
        'n_layer': 2,
        'n_token': 60,
    }
    config.update(ff_activation='gelu', untie_r=True)
    (folder / 'xlnet.json').write_text(json.dumps(config))
    (folder / 'pieces.txt').write_text('\n'.join(sentences(200)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / 'pieces.txt'),
        model_prefix=str(folder / 'pieces'),
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=5,
        control_symbols='<cls>,<sep>,<mask>,<eod>,<eop>,[CLS],[SEP],[MASK]',
    )


def reviews(folder: Path) -> None:
    """Writes raw/{train,test}.csv: tables of a review, `pos` or `neg`, and a number."""
    (folder / 'raw').mkdir()
    for name in ('train', 'test'):
        rows = [f'{line}\t{("pos", "neg")[index % 2]}\t{index}\n' for index, line in enumerate(sentences(8))]
        (folder / 'raw' / f'{name}.csv').write_text('content\tlabel\tid\n' + ''.join(rows))


def news(folder: Path) -> None:
    """Writes news.tfrecord, 16 texts of 33 tokens, and small.json, the sizes of a small Grover."""
    sizes = {'vocab_size': 64, 'hidden_size': 16, 'intermediate_size': 32, 'num_hidden_layers': 2}
    more = {'num_attention_heads': 2, 'max_position_embeddings': 64, 'hidden_act': 'gelu'}
    (folder / 'small.json').write_text(json.dumps({**CONFIG, **sizes, **more}))
    _write_tokens(folder / 'news.tfrecord', 'input_ids', 16, 33)


def webtext(folder: Path) -> None:
    """Writes 93 TFRecord files of the names of openwebtext, and small.json, the sizes of a small GPT-2."""
    for number in range(93):
        _write_tokens(folder / f'openwebtext-newspaper_{number}.tfrecords', 'text', 16, 20)
    sizes = {'n_head': 2, 'n_embd': 16, 'n_layer': 2, 'n_ctx': 32, 'n_vocab': 50257}
    training = {'lr': 0.001, 'warmup_steps': 1, 'beta1': 0.9, 'beta2': 0.98, 'epsilon': 1e-9}
    training.update(weight_decay=0.01, embed_dropout=0.1, attn_dropout=0.1, res_dropout=0.1)
    steps = {'train_steps': 2, 'eval_steps': 1, 'max_steps': 3, 'iterations': 1}
    batches = {'train_batch_size': 2, 'eval_batch_size': 2, 'predict_batch_size': 1}
    names = {'opt_name': 'adam', 'input': 'openwebtext', 'model': 'GPT2', 'model_path': 'out'}
    more = {'data_path': '.', 'scale_by_depth': True, 'scale_by_in': True}
    config = {**sizes, **training, **steps, **batches, **names, **more}
    (folder / 'small.json').write_text(json.dumps(config))


def graphs(folder: Path) -> None:
    """Writes graphs: questions about graphs of 40 nodes and 4 edges, and their vocabulary."""
    tf = _tensorflow()
    (folder / 'graphs').mkdir()
    (folder / 'graphs' / 'vocab.txt').write_text('\n'.join(['<unk>', '<sos>', '<eos>', '<space>', *WORDS]))
    rng = np.random.default_rng(0)
    lengths = {'src': 30, 'kb_nodes': 40 * 7, 'kb_edges': 4 * 3}
    for name in ('train', 'eval'):
        with tf.io.TFRecordWriter(str(folder / 'graphs' / f'{name}_input.tfrecords')) as writer:
            for index in range(16):
                values = {key: rng.integers(4, 44, length).tolist() for key, length in lengths.items()}
                values['kb_adjacency'] = rng.integers(0, 2, 40 * 40).tolist()
                counts = {'src_len': 30, 'kb_nodes_len': 40, 'kb_edges_len': 4, 'label': 4 + index % 2}
                writer.write(_example(**values, **counts, type_string=b'Adjacent'))


def _write_tokens(path: Path, key: str, count: int, length: int) -> None:
    """Writes examples that are numbers from 0 to 63."""
    tf = _tensorflow()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in np.random.default_rng(0).integers(0, 64, [count, length]):
            writer.write(_example(**{key: row.tolist()}))


def _tensorflow() -> Any:
    return importlib.import_module('tensorflow')


def _example(**fields: bytes | int | list[int]) -> bytes:
    tf = _tensorflow()
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(value)))
        for name, value in fields.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
