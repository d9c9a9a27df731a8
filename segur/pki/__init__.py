"""The sandbox's own certificate authority: server, client and signature certificates, good ones and wrong ones on purpose.

`authority.Authority` is the way in; `names` says what can be asked, `describe` reads any certificate for the
journal, `chain` judges one. Nothing here is worth anything outside the sandbox, and every subject says so
(`O=SEGUR-SANDBOX`, `CN=TEST …`).
"""
