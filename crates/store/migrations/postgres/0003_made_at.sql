-- A keyring that nothing was done to yet is dated from when it was made.

DROP TRIGGER gracekey_epoch_grows ON gracekey_keyring;
UPDATE gracekey_keyring SET issued_at = floor(extract(epoch FROM now())) WHERE epoch = 0;

CREATE TRIGGER gracekey_epoch_grows BEFORE UPDATE ON gracekey_keyring
FOR EACH ROW WHEN (NEW.epoch <= OLD.epoch) EXECUTE FUNCTION gracekey_refuse('an epoch only grows');
