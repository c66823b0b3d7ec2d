-- The send of a message: lock the trip's chat row, then look for the id, only then take numbers and write.
--
-- VOLATILE and one statement at a time on purpose: in READ COMMITTED each statement inside takes a fresh snapshot, so
-- that the look-up after the lock sees what the holder of the lock before us committed. As one CTE statement two
-- repeats at once both got in, because its snapshot is older than the lock.
CREATE FUNCTION chat_send(
    p_trip uuid, p_sender uuid, p_role text, p_issued_at timestamptz, p_token text, p_now timestamptz,
    p_id uuid, p_client_id uuid, p_mac bytea, p_type text, p_body bytea, p_reader_body bytea,
    p_template text, p_reply_to uuid, p_status text, p_reason text, p_peer_sees boolean,
    p_outcome text, p_flags text[], p_labels jsonb, p_signals jsonb, p_policy text, p_model text,
    a_leaf bytea, a_event text, a_at timestamptz, a_private bytea, a_key uuid,
    a_trip bytea, a_person bytea, a_staff bytea,
    OUT code text, OUT driver_number bigint, OUT customer_number bigint, OUT staff_number bigint, OUT earlier_id uuid
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    chat trip_chat%ROWTYPE;
    standing record;
    earlier record;
    to_driver int;
    to_customer int;
BEGIN
    SELECT * INTO chat FROM trip_chat c WHERE c.trip_id = p_trip FOR UPDATE;
    IF NOT FOUND
       OR (p_role = 'driver' AND chat.driver_id <> p_sender)
       OR (p_role = 'customer' AND chat.customer_id <> p_sender) THEN
        code := 'trip_not_found';
        RETURN;
    END IF;

    SELECT u.suspended_until, u.tokens_valid_from,
           EXISTS (SELECT 1 FROM revoked_token r WHERE r.token_id = p_token) AS revoked
      INTO standing
      FROM (SELECT 1) one LEFT JOIN app_user u ON u.id = p_sender;
    IF standing.revoked OR p_issued_at < standing.tokens_valid_from THEN
        code := 'token_revoked';
        RETURN;
    END IF;

    IF p_client_id IS NOT NULL THEN
        SELECT m.id, m.content_mac INTO earlier FROM trip_message m
         WHERE m.trip_id = p_trip AND m.sender_id = p_sender AND m.client_message_id = p_client_id
           AND m.expire_on = chat.expire_on;
        IF FOUND THEN
            code := CASE WHEN earlier.content_mac = p_mac THEN 'repeat' ELSE 'client_message_id_reused' END;
            earlier_id := earlier.id;
            RETURN;
        END IF;
    END IF;

    IF standing.suspended_until > p_now THEN
        code := 'suspended';
        RETURN;
    ELSIF chat.closes_at <= p_now THEN
        code := 'chat_closed';
        RETURN;
    ELSIF p_now < (CASE p_role WHEN 'driver' THEN chat.driver_muted_until ELSE chat.customer_muted_until END) THEN
        code := 'muted';
        RETURN;
    END IF;
    IF p_reply_to IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM trip_message m
         WHERE m.id = p_reply_to AND m.expire_on = chat.expire_on AND m.trip_id = p_trip
           AND CASE p_role WHEN 'driver' THEN m.seq_driver ELSE m.seq_customer END IS NOT NULL) THEN
        code := 'message_not_found';
        RETURN;
    END IF;

    to_driver := CASE WHEN p_status <> 'rejected' AND (p_role = 'driver' OR p_peer_sees) THEN 1 ELSE 0 END;
    to_customer := CASE WHEN p_status <> 'rejected' AND (p_role = 'customer' OR p_peer_sees) THEN 1 ELSE 0 END;
    UPDATE trip_chat c
       SET seq_staff = c.seq_staff + 1, seq_driver = c.seq_driver + to_driver, seq_customer = c.seq_customer + to_customer
     WHERE c.trip_id = p_trip
    RETURNING c.seq_staff, CASE WHEN to_driver = 1 THEN c.seq_driver END, CASE WHEN to_customer = 1 THEN c.seq_customer END
      INTO staff_number, driver_number, customer_number;

    INSERT INTO trip_message (id, expire_on, trip_id, sender_id, sender_type, message_type, body, reader_body,
                              quick_message_template, client_message_id, content_mac, reply_to, status, reason,
                              seq_driver, seq_customer, seq_staff, created_at)
    VALUES (p_id, chat.expire_on, p_trip, p_sender, p_role, p_type, p_body, p_reader_body,
            p_template, p_client_id, p_mac, p_reply_to, p_status, p_reason,
            driver_number, customer_number, staff_number, p_now);
    INSERT INTO trip_event (trip_id, seq_staff, expire_on, seq_driver, seq_customer, kind, message_id, at)
    VALUES (p_trip, staff_number, chat.expire_on, driver_number, customer_number, 'new', p_id, p_now);
    INSERT INTO trip_verdict (message_id, expire_on, trip_id, outcome, flags, labels, signals, policy, model, at)
    VALUES (p_id, chat.verdict_expire_on, p_trip, p_outcome, p_flags, p_labels, p_signals, p_policy, p_model, p_now);
    INSERT INTO audit_intake (leaf, event, at, private_sealed, audit_key_id, trip_mac, person_mac, staff_mac)
    VALUES (a_leaf, a_event, a_at, a_private, a_key, a_trip, a_person, a_staff);
    code := 'ok';
END $$
