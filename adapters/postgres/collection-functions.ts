/** Functions of lists, maps, indexes and timers; as those of values. */

export const collectionFunctions: Readonly<Record<string, string>> = {
  append: `declare e jsonb; r jsonb := '[]'; m bigint; c bigint; t bigint; begin
    for e in select value from jsonb_array_elements(a) loop
      select next into m from $S.list where key = e->>0 and (expires is null or expires > $S.now_ms());
      c := jsonb_array_length(e->1);
      if m is null and c = 0 then r := r || '0'; continue; end if;
      if m is null then
        delete from $S.list_item where key = e->>0;
        delete from $S.list where key = e->>0;
        m := 0;
      end if;
      insert into $S.list_item (key, n, item)
        select e->>0, m + i.n - 1, i.item from jsonb_array_elements_text(e->1) with ordinality i(item, n);
      t := $S.now_ms() + ceil((e->>2)::numeric);
      insert into $S.list as old (key, next, expires) values (e->>0, m + c, t)
        on conflict (key) do update set next = excluded.next,
          expires = case when excluded.expires is null then old.expires
            else greatest(excluded.expires, old.expires) end;
      r := r || to_jsonb(m + c);
    end loop;
    return r; end`,
  read_list: `declare n bigint; f bigint := (a->>1)::bigint; begin
    select next into n from $S.list where key = a->>0 and (expires is null or expires > $S.now_ms());
    if n is null then return '[]'; end if;
    if f < 0 then f := greatest(0, n + f); end if;
    return (select coalesce(jsonb_agg(i.item order by i.n), '[]') from (
      select * from $S.list_item item where item.key = a->>0 and item.n >= f
      order by item.n limit greatest(0, (a->>2)::bigint)) i); end`,
  put_map: `declare e jsonb; f jsonb; r jsonb := '[]'; w jsonb; n bigint; k bigint; begin
    for e in select value from jsonb_array_elements(a) loop
      select size into k from $S.map where key = e->>0 and (expires is null or expires > $S.now_ms());
      if e->>4 is not null and not exists (
        select 1 from $S.lease where name = e->>4 and fence = (e->>5)::bigint and expires > $S.now_ms())
      then
        r := r || jsonb_build_array(jsonb_build_array(null, coalesce(k, 0)));
        continue;
      end if;
      if k is null then
        delete from $S.map_field where key = e->>0;
        delete from $S.map where key = e->>0;
      end if;
      n := coalesce(k, 0);
      w := '[]';
      for f in select value from jsonb_array_elements(e->1) loop
        insert into $S.map_field (key, field, value) values (e->>0, f->>0, f->>1)
          on conflict (key, field) do nothing;
        if found then
          n := n + 1;
          w := w || 'true';
        elsif (e->>2)::boolean then
          w := w || 'false';
        else
          update $S.map_field set value = f->>1 where key = e->>0 and field = f->>0;
          w := w || 'true';
        end if;
      end loop;
      if n > 0 and (n is distinct from k or e->>3 is not null) then
        insert into $S.map as old (key, size, expires) values (e->>0, n, $S.now_ms() + ceil((e->>3)::numeric))
          on conflict (key) do update set
            size = excluded.size, expires = coalesce(excluded.expires, old.expires);
      end if;
      r := r || jsonb_build_array(jsonb_build_array(w, n));
    end loop;
    return r; end`,
  get_map: `begin
    return (select coalesce(jsonb_agg((
        select v.value from $S.map m join $S.map_field v on v.key = m.key
        where m.key = a->>0 and v.key = a->>0 and v.field = k.field
          and (m.expires is null or m.expires > $S.now_ms())
      ) order by k.n), '[]') from jsonb_array_elements_text(a->1) with ordinality k(field, n)); end`,
  read_map: `begin
    if not exists (select 1 from $S.map where key = a->>0 and (expires is null or expires > $S.now_ms()))
      then return '[]'; end if;
    if a->>1 is null then
      return (select coalesce(jsonb_agg(jsonb_build_array(v.field, v.value) order by v.field), '[]') from (
        select * from $S.map_field where key = a->>0 order by field limit (a->>2)::bigint) v);
    end if;
    return (select coalesce(jsonb_agg(jsonb_build_array(v.field, v.value) order by v.field), '[]') from (
      select * from $S.map_field where key = a->>0 and field > a->>1 order by field limit (a->>2)::bigint) v); end`,
  remove_map: `declare n bigint; k bigint; begin
    select size into k from $S.map where key = a->>0 and (expires is null or expires > $S.now_ms());
    if k is null then return '0'; end if;
    delete from $S.map_field where key = a->>0 and field = any(array(select jsonb_array_elements_text(a->1)));
    get diagnostics n = row_count;
    if n = k then delete from $S.map where key = a->>0;
    elsif n > 0 then update $S.map set size = k - n where key = a->>0;
    end if;
    return to_jsonb(n); end`,
  put_index: `declare e jsonb; begin
    for e in select value from jsonb_array_elements(a->1) loop
      insert into $S.member as old (name, id, value, expires)
        values (a->>0, e->>0, e->>1, $S.now_ms() + ceil((e->>2)::numeric))
        on conflict (name, id) do update set value = excluded.value,
          expires = case when excluded.expires is null and old.expires > $S.now_ms() then old.expires
            else excluded.expires end;
    end loop;
    return null; end`,
  remove_index: `begin
    delete from $S.member where name = a->>0 and id = any(array(select jsonb_array_elements_text(a->1)));
    return null; end`,
  read_index: `declare s text := coalesce(a->>1, a->>2); begin
    return (select coalesce(jsonb_agg(jsonb_build_array(v.id, v.value) order by v.id), '[]') from (
      select * from $S.member where name = a->>0 and id >= s and (a->>1 is null or id > a->>1)
        and (expires is null or expires > $S.now_ms())
      order by id limit (a->>3)::bigint) v); end`,
  count_index: `begin
    return (select to_jsonb(count(*)) from $S.member
      where name = a->>0 and (expires is null or expires > $S.now_ms())); end`,
  add_timers: `declare e jsonb; begin
    for e in select value from jsonb_array_elements(a) loop
      insert into $S.timer (queue, id, due, payload)
        values (e->>0, e->>1, $S.now_ms() + ceil((e->>2)::numeric), e->>3)
        on conflict (queue, id) do update set due = excluded.due, token = null, payload = excluded.payload;
    end loop;
    return null; end`,
  lease_timers: `declare r jsonb; d bigint; q text[]; w bigint := $S.now_ms(); begin
    q := array(select distinct jsonb_array_elements_text(a->0));
    with late as materialized (
      select t.queue, t.id, t.due from unnest(q) each cross join lateral (
        select * from $S.timer where queue = each and due <= w order by due, id limit (a->>1)::bigint) t
      order by t.due limit (a->>1)::bigint),
    leased as (update $S.timer t set token = a->>3, due = w + ceil((a->>2)::numeric)
      from late where t.queue = late.queue and t.id = late.id
      returning t.queue, t.id, t.payload, late.due as was)
    select coalesce(jsonb_agg(jsonb_build_array(queue, id, payload) order by was, id), '[]') into r from leased;
    select min(t.due) into d from unnest(q) each cross join lateral (
      select due from $S.timer where queue = each order by due limit 1) t;
    return jsonb_build_array(r, case when d is not null then greatest(0, d - $S.now_ms()) end); end`,
  ack_timers: `declare e jsonb; r jsonb := '[]'; begin
    for e in select value from jsonb_array_elements(a) loop
      delete from $S.timer where queue = e->>0 and id = e->>1 and token = e->>2;
      r := r || to_jsonb(found);
    end loop;
    return r; end`,
  remove_timers: `declare e jsonb; r jsonb := '[]'; begin
    for e in select value from jsonb_array_elements(a) loop
      delete from $S.timer where queue = e->>0 and id = e->>1 and (token is null or due <= $S.now_ms());
      r := r || to_jsonb(found);
    end loop;
    return r; end`,
  read_timers: `declare w bigint := $S.now_ms(); begin
    return (select coalesce(jsonb_agg(jsonb_build_array(t.id, t.payload, t.due - w, t.token is not null and t.due > w,
        t.due) order by t.due, t.id), '[]') from (
      select * from $S.timer where queue = a->>0 and (due, id) > ((a->>1)::bigint, a->>2)
      order by due, id limit (a->>3)::bigint) t); end`,
  count_timers: `begin
    return (select coalesce(jsonb_agg(
      (select count(*) from $S.timer where queue = k.queue) order by k.n), '[]')
      from jsonb_array_elements_text(a) with ordinality k(queue, n)); end`,
  clear_timers: `begin
    delete from $S.timer where queue = any(array(select jsonb_array_elements_text(a))); return null; end`,
};
