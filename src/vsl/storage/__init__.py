"""Object stores behind the protocol of ``vsl.domain.store``.

``open_store`` opens what ``VSL_STORAGE`` names; ``FolderStore`` keeps objects in a folder,
``S3Store`` in a bucket; ``ObstoreStore.in_memory`` keeps them in memory, for tests.
"""

from vsl.storage.folder import FolderStore
from vsl.storage.location import open_store
from vsl.storage.s3 import S3Store
from vsl.storage.store import ObstoreStore

__all__ = ["FolderStore", "ObstoreStore", "S3Store", "open_store"]
