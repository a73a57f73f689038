-- What the tables must never hold, whatever code writes to them.

-- The books: entries and transactions are append only.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append only: % refused', tg_table_name, tg_op using errcode = 'integrity_constraint_violation';
end $$;

create trigger ledger_entries_append_only before update or delete on ledger_entries
  for each row execute function refuse_change();
create trigger ledger_transactions_append_only before update or delete on ledger_transactions
  for each row execute function refuse_change();
create trigger settlement_events_append_only before update or delete on settlement_events
  for each row execute function refuse_change();
create trigger ledger_entries_kept before truncate on ledger_entries for each statement execute function refuse_change();
create trigger ledger_transactions_kept before truncate on ledger_transactions for each statement execute function refuse_change();
create trigger settlement_events_kept before truncate on settlement_events for each statement execute function refuse_change();

-- An entry has a positive amount; a mistake is corrected by a reversing transaction, never by a negative entry.
alter table ledger_entries add constraint ledger_entries_amount check (amount_minor > 0);
alter table ledger_entries add constraint ledger_entries_direction check (direction in ('debit', 'credit'));
alter table ledger_entries add constraint ledger_entries_transaction
  foreign key (project_id, transaction_id) references ledger_transactions (project_id, id);

-- Entries are written with their transaction and never added to it later, not even in balanced pairs.
create function ledger_entry_belongs() returns trigger language plpgsql as $$
begin
  perform 1 from ledger_transactions t
    where t.project_id = new.project_id and t.id = new.transaction_id and t.xmin = pg_current_xact_id()::xid;
  if not found then
    raise exception 'ledger transaction % is complete: its entries are append only', new.transaction_id using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;

create trigger ledger_entries_belong before insert on ledger_entries for each row execute function ledger_entry_belongs();

-- A ledger transaction balances in every currency, and has entries, when its database transaction commits.
create function check_ledger_transaction(project text, transaction text) returns void language plpgsql as $$
declare
  unbalanced text;
  lines bigint;
begin
  select count(*) into lines from ledger_entries e where e.project_id = project and e.transaction_id = transaction;
  if lines < 2 then
    raise exception 'ledger transaction % has % entries', transaction, lines using errcode = 'integrity_constraint_violation';
  end if;
  select e.currency into unbalanced from ledger_entries e
    where e.project_id = project and e.transaction_id = transaction
    group by e.currency
    having sum(case e.direction when 'debit' then e.amount_minor else -e.amount_minor end) <> 0
    limit 1;
  if found then
    raise exception 'ledger transaction % does not balance in %', transaction, unbalanced using errcode = 'integrity_constraint_violation';
  end if;
end $$;

create function ledger_entry_balances() returns trigger language plpgsql as $$
begin
  perform check_ledger_transaction(new.project_id, new.transaction_id);
  return null;
end $$;

create function ledger_transaction_balances() returns trigger language plpgsql as $$
begin
  perform check_ledger_transaction(new.project_id, new.id);
  return null;
end $$;

create constraint trigger ledger_entries_balance after insert on ledger_entries
  deferrable initially deferred for each row execute function ledger_entry_balances();
create constraint trigger ledger_transactions_balance after insert on ledger_transactions
  deferrable initially deferred for each row execute function ledger_transaction_balances();

-- Words that code compares with.
alter table tool_calls add constraint tool_calls_status check (status in ('running', 'success', 'error'));
alter table tool_calls add constraint tool_calls_outcome check (outcome in ('accepted', 'declined', 'not_reached', 'unknown'));
alter table tool_calls add constraint tool_calls_environment check (environment in ('test', 'live'));
alter table tool_calls add constraint tool_calls_amount check (amount_minor >= 0);
alter table sessions add constraint sessions_status check (status in ('active', 'closed', 'error'));
alter table projects add constraint projects_environment check (environment in ('test', 'live'));
