# docker build -t estimator_lab .                     for processors
# docker build -t estimator_lab --build-arg EXTRA=cuda .    for GPUs, with the CUDA libraries of TensorFlow's wheels
# docker run --rm -v "$PWD:/data" estimator_lab train --data=/data/train.tar --model_dir=/data/runs/mine
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ARG EXTRA=
WORKDIR /source
COPY setup.py pyproject.toml README.md ./
COPY estimator_lab estimator_lab
RUN pip install --no-cache-dir ".${EXTRA:+[$EXTRA]}" && rm -rf /source

RUN useradd --create-home --uid 1000 lab
USER lab
WORKDIR /home/lab
ENTRYPOINT ["estimator_lab"]
CMD ["--help"]
