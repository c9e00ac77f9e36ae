-- A keyring that nothing was done to yet is dated from when it was made.

DROP TRIGGER gracekey_epoch_grows;
UPDATE gracekey_keyring SET issued_at = unixepoch() WHERE epoch = 0;

CREATE TRIGGER gracekey_epoch_grows BEFORE UPDATE ON gracekey_keyring
WHEN NEW.epoch <= OLD.epoch
BEGIN
    SELECT RAISE(ABORT, 'an epoch only grows');
END;
