"""Uploads: the bytes of a file become typed drafts with row errors (pure, no database).

    with open_upload(path, images=None) as upload:
        for parsed in upload.rows():            # ItemDraft | RowErrors, streaming
            ...
            data = upload.images.read(upload.images.resolve(image.path))
            clean = sanitise(data)              # CleanImage, or ImageError
"""
