"""The notes, "How to use Estimator": a typical TF1 Estimator program, with one line changed.

    python examples/bring_your_own.py [--model_dir=runs/income --max_steps=600]

Takes about 20 s on 2 cores. A wide and deep classifier predicts, from six columns of a generated census,
who earns more than 50K. It prints an accuracy of about 90% on unseen people (always answering no gives
70%). Only the import differs from the program for TensorFlow 1.15, which uses flags of `tf.app`, a CSV
input_fn with dictionary features, feature columns, a hook, an exporter and `train_and_evaluate`. With
TF_CONFIG set, the same command is one process of a cluster.
"""

# mypy: allow-untyped-defs

import csv
import json
import math
import os
import random
import sys
import tempfile

import built_in_data  # noqa: F401 - hides what TensorFlow logs when it is imported

from estimator_lab.tf1 import tf

flags = tf.app.flags
FLAGS = flags.FLAGS

flags.DEFINE_string('model_dir', None, 'Folder for checkpoints and exports; default: a temporary folder.')
flags.DEFINE_string('data_dir', None, 'Folder of train.csv and test.csv; default: generated in model_dir.')
flags.DEFINE_enum('model_type', 'wide_deep', ['wide', 'deep', 'wide_deep'], 'Which canned estimator.')
flags.DEFINE_integer('max_steps', 600, 'Training steps.')
flags.DEFINE_integer('batch_size', 100, 'People in a batch.')

_CSV_COLUMNS = ['age', 'hours', 'education', 'occupation', 'married', 'capital_gain', 'income']
_CSV_DEFAULTS = [[0.0], [0.0], [''], [''], [''], [0.0], ['']]
_EDUCATIONS = ['school', 'college', 'bachelors', 'masters', 'doctorate']
_OCCUPATIONS = ['clerk', 'craft', 'sales', 'manager', 'professor', 'farmer']
_LABEL = 'income'


# In your own program, this would be a downloaded file.
def draw_people(path, count, seed):
    """Writes a CSV of generated people, whose income follows a rule with random noise."""
    rng = random.Random(seed)
    with open(path, 'w', newline='') as output:
        rows = csv.writer(output)
        for _ in range(count):
            age, hours = rng.randint(17, 80), rng.randint(10, 70)
            education, occupation = rng.randrange(len(_EDUCATIONS)), rng.choice(_OCCUPATIONS)
            married, gain = rng.choice(['yes', 'no']), max(0, int(rng.gauss(-4000, 4000)))
            score = 1.1 * education + 0.05 * (hours - 40) - ((age - 50) / 15) ** 2 - 3.2 + gain / 2000
            # The crossed column: a professor needs the doctorate, a manager does not.
            score += 4 if (occupation, education) == ('professor', 4) else 0
            score += 2 if occupation == 'manager' else 0
            score += 1 if married == 'yes' else 0
            rich = rng.random() < 1 / (1 + math.exp(-2 * score))
            label = '>50K' if rich else '<=50K'
            rows.writerow([age, hours, _EDUCATIONS[education], occupation, married, gain, label])


def build_model_columns():
    """Returns the feature columns of the wide part and of the deep part."""
    age = tf.feature_column.numeric_column('age', normalizer_fn=lambda x: (x - 45) / 20)
    hours = tf.feature_column.numeric_column('hours', normalizer_fn=lambda x: (x - 40) / 20)
    gain = tf.feature_column.numeric_column('capital_gain', normalizer_fn=tf.math.log1p)
    education = tf.feature_column.categorical_column_with_vocabulary_list('education', _EDUCATIONS)
    married = tf.feature_column.categorical_column_with_vocabulary_list('married', ['yes', 'no'])
    occupation = tf.feature_column.categorical_column_with_hash_bucket('occupation', hash_bucket_size=100)
    years = tf.feature_column.numeric_column('age')
    age_buckets = tf.feature_column.bucketized_column(years, [18, 25, 30, 35, 40, 45, 50, 55, 60, 65])
    wide = [
        education,
        married,
        occupation,
        age_buckets,
        tf.feature_column.crossed_column(['education', 'occupation'], hash_bucket_size=1000),
    ]
    deep = [
        age,
        hours,
        gain,
        tf.feature_column.indicator_column(education),
        tf.feature_column.indicator_column(married),
        tf.feature_column.embedding_column(occupation, dimension=4),
    ]
    return wide, deep


def build_estimator(run_config):
    """Returns the canned estimator of --model_type."""
    wide, deep = build_model_columns()
    hidden_units = [32, 16]
    if FLAGS.model_type == 'wide':
        return tf.estimator.LinearClassifier(feature_columns=wide, config=run_config)
    if FLAGS.model_type == 'deep':
        return tf.estimator.DNNClassifier(feature_columns=deep, hidden_units=hidden_units, config=run_config)
    return tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=wide,
        linear_optimizer=tf.train.FtrlOptimizer(0.05),
        dnn_feature_columns=deep,
        dnn_hidden_units=hidden_units,
        dnn_optimizer=tf.train.AdamOptimizer(0.003),
        config=run_config,
    )


def input_fn(data_file, num_epochs, shuffle, batch_size):
    """Returns tensors of a CSV: a dictionary of features [batch], and labels bool [batch]."""

    def parse_csv(line):
        columns = tf.decode_csv(line, record_defaults=_CSV_DEFAULTS)
        features = dict(zip(_CSV_COLUMNS, columns))
        labels = features.pop(_LABEL)
        return features, tf.equal(labels, '>50K')

    dataset = tf.data.TextLineDataset(data_file)
    if shuffle:
        dataset = dataset.shuffle(buffer_size=10000, seed=1)
    dataset = dataset.map(parse_csv, num_parallel_calls=2).repeat(num_epochs).batch(batch_size)
    return dataset.make_one_shot_iterator().get_next()


class PrintLossHook(tf.train.SessionRunHook):
    """Prints the mean loss per person every `every_n_steps` steps."""

    def __init__(self, every_n_steps):
        self._timer = tf.train.SecondOrStepTimer(every_steps=every_n_steps)

    def begin(self):
        self._global_step = tf.train.get_global_step()
        self._loss = tf.losses.get_losses()[-1]

    def before_run(self, run_context):
        return tf.train.SessionRunArgs(self._loss)

    def after_run(self, run_context, run_values):
        step = run_context.session.run(self._global_step)
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            print(f'step {step:5d}   loss {run_values.results / FLAGS.batch_size:.4f}', flush=True)


def serving_input_receiver_fn():
    """Returns the input of the exported model: serialised tf.Examples with the features of the columns."""
    wide, deep = build_model_columns()
    specification = tf.feature_column.make_parse_example_spec(wide + deep)
    return tf.estimator.export.build_parsing_serving_input_receiver_fn(specification)()


def task_type():
    """Returns the role in TF_CONFIG: chief, worker, ps or evaluator; None without a cluster."""
    return json.loads(os.environ.get('TF_CONFIG', '{}')).get('task', {}).get('type')


def main(argv):
    del argv
    tf.logging.set_verbosity(tf.logging.ERROR)
    if task_type() and not FLAGS.model_dir:
        sys.exit('--model_dir is missing: all processes of a cluster must share one.')
    with tempfile.TemporaryDirectory() as scratch:
        data_dir = FLAGS.data_dir or scratch
        train_file, test_file = (os.path.join(data_dir, name) for name in ('train.csv', 'test.csv'))
        if not FLAGS.data_dir:
            # Each process of a cluster generates the same people.
            draw_people(train_file, 8000, seed=1)
            draw_people(test_file, 4000, seed=2)
        model_dir = FLAGS.model_dir or os.path.join(scratch, 'model')
        run_config = tf.estimator.RunConfig(
            model_dir, tf_random_seed=1, save_checkpoints_steps=300, log_step_count_steps=None
        )
        train_spec = tf.estimator.TrainSpec(
            lambda: input_fn(train_file, None, True, FLAGS.batch_size),
            max_steps=FLAGS.max_steps,
            hooks=[PrintLossHook(100)],
        )
        eval_spec = tf.estimator.EvalSpec(
            lambda: input_fn(test_file, 1, False, FLAGS.batch_size),
            steps=None,
            exporters=tf.estimator.FinalExporter('census', serving_input_receiver_fn),
            start_delay_secs=0,
            throttle_secs=0,
        )
        result = tf.estimator.train_and_evaluate(build_estimator(run_config), train_spec, eval_spec)
    if task_type() in (None, 'evaluator') and result:
        metrics, exports = result
        print(f'accuracy {metrics["accuracy"]:.1%}   (always no: {metrics["accuracy_baseline"]:.1%})')
        print(f'AUC      {metrics["auc"]:.3f}')
        if FLAGS.model_dir:
            print(f'export   {exports[0].decode()}')


if __name__ == '__main__':
    tf.app.run(main)
