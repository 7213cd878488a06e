/**
 * Functions of values, leases and results: the body of each has its arguments in `a`, a JSON list, and returns JSON.
 * Keys are looked up one by one: joined, the planner takes a list for a hundred rows and reads the whole table.
 */

export const valueFunctions: Readonly<Record<string, string>> = {
  now: "begin return to_jsonb($S.now_ms()); end",
  get: `begin return (select coalesce(jsonb_agg((
      select v.value from $S.value v where v.key = k.key and (v.expires is null or v.expires > $S.now_ms())
    ) order by k.n), '[]') from jsonb_array_elements_text(a) with ordinality k(key, n)); end`,
  set: `declare e jsonb; r jsonb := '[]'; t bigint; k text; v text; begin
    for e in select value from jsonb_array_elements(a) loop
      k := e->>0; v := e->>1; t := $S.now_ms() + ceil((e->>2)::numeric);
      if e->>3 = 'equals' then
        update $S.value set value = v, expires = t
          where key = k and value = e->>4 and (expires is null or expires > $S.now_ms());
      else
        insert into $S.value as old (key, value, expires) values (k, v, t)
          on conflict (key) do update set value = excluded.value, expires = excluded.expires
          where e->>3 is null or old.expires <= $S.now_ms();
      end if;
      r := r || to_jsonb(found);
    end loop;
    return r; end`,
  delete: `declare k text[]; begin
    k := array(select jsonb_array_elements_text(a));
    delete from $S.value where key = any(k);
    delete from $S.list_item where key = any(k);
    delete from $S.list where key = any(k);
    delete from $S.map_field where key = any(k);
    delete from $S.map where key = any(k);
    return null; end`,
  expire: `declare e jsonb; t bigint; begin
    for e in select value from jsonb_array_elements(a) loop
      t := $S.now_ms() + ceil((e->>1)::numeric);
      update $S.value set expires = t where key = e->>0 and (expires is null or expires > $S.now_ms());
      update $S.list set expires = t where key = e->>0 and (expires is null or expires > $S.now_ms());
      update $S.map set expires = t where key = e->>0 and (expires is null or expires > $S.now_ms());
    end loop;
    return null; end`,
  increment: `declare e jsonb; r jsonb := '[]'; v text; begin
    for e in select value from jsonb_array_elements(a) loop
      insert into $S.value as old (key, value, expires)
        values (e->>0, e->>1, $S.now_ms() + ceil((e->>2)::numeric))
        on conflict (key) do update set
          value = case when old.expires <= $S.now_ms() then excluded.value
            else trim_scale(old.value::numeric + excluded.value::numeric)::text end,
          expires = case when old.expires <= $S.now_ms() then excluded.expires else old.expires end
        returning value into v;
      r := r || to_jsonb(v);
    end loop;
    return r; end`,
  lease: `declare h record; f bigint; t bigint := $S.now_ms() + ceil((a->>2)::numeric); begin
    select fence, owner into h from $S.lease where name = a->>0 and expires > $S.now_ms();
    if found then
      if h.owner <> a->>1 or h.fence <> (a->>3)::bigint then return null; end if;
      update $S.lease set expires = t where name = a->>0;
      return to_jsonb(h.fence);
    end if;
    if a->>3 is not null then return null; end if;
    insert into $S.lease as old (name, fence, owner, expires) values (a->>0, nextval('$S.fence'), a->>1, t)
      on conflict (name) do update set fence = excluded.fence, owner = excluded.owner, expires = excluded.expires
      returning fence into f;
    return to_jsonb(f); end`,
  release: "begin delete from $S.lease where name = a->>0 and owner = a->>1; return null; end",
  notify: `declare p text; n bigint; begin
    p := jsonb_build_array('n', a->0, a->1)::text;
    if octet_length(p) >= 7900 then
      insert into $S.notice (channel, text, expires) values (a->>0, a->>1, $S.now_ms() + 60000) returning seq into n;
      p := jsonb_build_array('l', n)::text;
    end if;
    perform pg_notify('$C', p);
    return null; end`,
  notice: `begin
    return (select jsonb_build_array(channel, text) from $S.notice where seq = (a->>0)::bigint); end`,
  put_results: `declare e jsonb; p text; begin
    for e in select value from jsonb_array_elements(a->1) loop
      insert into $S.result as old (queue, id, outcome, expires, published)
        values (a->>0, e->>0, e->>1, $S.now_ms() + ceil((e->>2)::numeric), (e->>3)::numeric)
        on conflict (queue, id) do update set
          outcome = excluded.outcome, expires = excluded.expires, published = excluded.published
        where old.expires <= $S.now_ms()
          or not coalesce(excluded.published is null or old.published >= excluded.published, false);
    end loop;
    p := jsonb_build_array('r', a->0, (select jsonb_agg(value->0) from jsonb_array_elements(a->1)))::text;
    perform pg_notify('$C', case when octet_length(p) < 7900 then p else '["r"]' end);
    return null; end`,
  get_results: `begin return (select coalesce(jsonb_agg((
      select v.outcome from $S.result v where v.queue = a->>0 and v.id = k.id and v.expires > $S.now_ms()
    ) order by k.n), '[]') from jsonb_array_elements_text(a->1) with ordinality k(id, n)); end`,
  drop_results: `begin
    delete from $S.result where queue = a->>0 and id = any(array(select jsonb_array_elements_text(a->1)));
    return null; end`,
  rates: `declare r jsonb; begin
    select jsonb_agg((select v.state from $S.rate v where v.key = k.key and v.expires > $S.now_ms()) order by k.n)
      into r from jsonb_array_elements_text(a) with ordinality k(key, n);
    return jsonb_build_array(extract(epoch from clock_timestamp()) * 1000, r); end`,
  put_rates: `begin
    insert into $S.rate (key, state, expires)
      select value->>0, value->>1, ceil((value->>2)::numeric)::bigint from jsonb_array_elements(a)
      on conflict (key) do update set state = excluded.state, expires = excluded.expires;
    return null; end`,
};
