import { useEffect, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent } from 'react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp, Lock, SearchX, UsersRound } from 'lucide-react';
import type { Fleet } from '../fleet/fleet';
import { freshness } from '../fleet/age';
import { useFleetVersion } from '../fleet/hooks';
import { useNow } from '../lib/hooks';
import { count } from '../lib/format';
import { Empty, Skeleton } from '../ui/Empty';
import { SearchField } from '../ui/Field';
import { AgentRow } from './AgentRow';
import { filled, FIRST, labels, rows, type Column, type Label, type Order } from './rows';
import css from './agents.module.css';

const COLUMNS: readonly { column: Column; label: string; title: string }[] = [
  { column: 'name', label: 'Agent', title: 'name' },
  { column: 'speed', label: 'Speed', title: 'speed' },
  { column: 'accuracy', label: 'Acc.', title: 'accuracy' },
  { column: 'battery', label: 'Batt.', title: 'battery' },
  { column: 'age', label: 'Age', title: 'age of the position' },
];

const BY_NAME: Order = { column: 'name', descending: false };

interface Props {
  fleet: Fleet;
  selected: string | null;
  onSelect: (id: string) => void;
  /** Beside the search field. */
  filter?: React.ReactNode;
}

export function AgentList({ fleet, selected, onSelect, filter }: Props) {
  const [search, setSearch] = useState('');
  const [order, setOrder] = useState<Order>(BY_NAME);
  // Text follows at most once a second, however many packets come.
  const version = useFleetVersion(fleet, 1000);
  const now = useNow(1000, fleet);
  const label = useLabels(fleet, version);
  const columns = useFilled(fleet, version);
  const sorted = columns.includes(order.column) ? order : BY_NAME;
  const shown = useMemo(() => rows(fleet.agents.values(), search, sorted, now, label), [fleet, version, search, sorted, now, label]);
  const fresh = useMemo(() => shown.reduce((sum, agent) => sum + Number(freshness(agent, now) === 'live'), 0), [shown, now]);
  const scroller = useRef<HTMLDivElement>(null);
  const height = 36;
  const virtual = useVirtualizer({
    count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 8,
    getItemKey: (index) => shown[index]?.agentId ?? index,
  });

  // Who is picked on the map is shown here, too.
  const shownNow = useRef(shown);
  useEffect(() => { shownNow.current = shown; });
  useEffect(() => {
    const index = selected === null ? -1 : shownNow.current.findIndex(({ agentId }) => agentId === selected);
    if (index >= 0) virtual.scrollToIndex(index, { align: 'auto' });
  }, [selected, virtual]);

  const choose = (column: Column) =>
    setOrder((before) => ({ column, descending: before.column === column ? !before.descending : FIRST[column] }));

  const onKeyDown = (event: KeyboardEvent) => {
    const at = shown.findIndex(({ agentId }) => agentId === selected);
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / height) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: shown.length - 1, PageDown: at + page, PageUp: at - page,
    };
    const wanted = moves[event.key];
    if (wanted === undefined || shown.length === 0) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(shown.length - 1, wanted));
    onSelect(shown[index]!.agentId);
  };

  const waiting = fleet.state === 'waiting' && fleet.agents.size === 0 && fleet.error === undefined;
  return (
    <section className={css.list} aria-label="Agents" style={{ '--columns': columns.slice(1).map((column) => `var(--w-${column})`).join(' ') } as CSSProperties}>
      <div className={css.listHead}>
        <SearchField label="Search agents" value={search} onChange={setSearch} />
        {filter}
      </div>
      <p className={css.summary} role="status">
        <span><strong className="num">{count(shown.length)}</strong> {search ? 'found' : shown.length === 1 ? 'agent' : 'agents'}</span>
        <span><i className={css.dot} data-freshness="live" aria-hidden /> <span className="num">{count(fresh)}</span> live</span>
        {fleet.state === 'waiting' && fleet.agents.size > 0 && <span className={css.old}>as last known</span>}
      </p>
      <div className={css.columns} role="group" aria-label="Sort by">
        {COLUMNS.filter(({ column }) => columns.includes(column)).map(({ column, label, title }) => (
          <button
            key={column} type="button" onClick={() => choose(column)} aria-pressed={sorted.column === column}
            aria-label={`${label}, sort by ${title}${sorted.column === column ? (sorted.descending ? ', descending' : ', ascending') : ''}`}
          >
            {label}
            {sorted.column === column && (sorted.descending ? <ArrowDown size={11} aria-hidden /> : <ArrowUp size={11} aria-hidden />)}
          </button>
        ))}
      </div>
      <div
        ref={scroller} className={css.rows} role={shown.length > 0 ? 'listbox' : 'group'} aria-label="Agents" tabIndex={0} onKeyDown={onKeyDown}
        aria-activedescendant={selected && shown.some((a) => a.agentId === selected) ? `agent-${selected}` : undefined}
      >
        {waiting ? <Skeleton rows={12} height={height} /> : shown.length === 0 ? (
          fleet.error !== undefined
            ? <Empty icon={<Lock size={22} />} title="Not yours to see">{fleet.error}</Empty>
            : search
              ? <Empty icon={<SearchX size={22} />} title="No agent matches">Nothing here has “<bdi>{search}</bdi>” in its name.</Empty>
              : <Empty icon={<UsersRound size={22} />} title="No agents yet">They appear here as soon as the first of them sends a position.</Empty>
        ) : (
          <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            {virtual.getVirtualItems().map(({ index, start }) => {
              const agent = shown[index]!;
              return (
                <AgentRow
                  key={agent.agentId} agent={agent} now={now} columns={columns} top={start} selected={agent.agentId === selected}
                  position={index + 1} of={shown.length} onSelect={onSelect}
                />
              );
            })}
          </div>
        )}
      </div>
    </section>
  );
}

/** The order of names, found out anew only if other agents are there than before. */
function useLabels(fleet: Fleet, version: number): ReadonlyMap<string, Label> {
  const kept = useRef<ReadonlyMap<string, Label>>(new Map());
  return useMemo(() => {
    const same = kept.current.size === fleet.agents.size && [...fleet.agents.keys()].every((id) => kept.current.has(id));
    if (!same) kept.current = labels(fleet.agents.keys());
    return kept.current;
  }, [fleet, version]);
}

/** The columns that are shown. The same object as long as they are the same, so that rows are not drawn anew. */
function useFilled(fleet: Fleet, version: number): readonly Column[] {
  const kept = useRef<readonly Column[]>(['name', 'age']);
  return useMemo(() => {
    const now = filled(fleet.agents.values());
    if (now.join() !== kept.current.join()) kept.current = now;
    return kept.current;
  }, [fleet, version]);
}
