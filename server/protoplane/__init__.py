"""Write the contract; Protoplane serves it."""

from pkgutil import extend_path

# Client packages bring modules of ours that contracts use (`protoplane.commit.v1.commit_pb2`), from folders of their own.
__path__ = extend_path(__path__, __name__)
