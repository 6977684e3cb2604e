import { useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { CirclePause, Copy, Pause, Play, ScrollText, Trash2, X } from 'lucide-react';
import { useSession, useValue } from '../session/context';
import { clockSeconds, count } from '../lib/format';
import { usePhone } from '../lib/hooks';
import { boundary } from '../lib/plain';
import { Button, IconButton } from '../ui/Button';
import { Segments } from '../ui/Choice';
import { Empty } from '../ui/Empty';
import { SearchField } from '../ui/Field';
import { filtered, kindOf, KINDS, type Kind } from './filter';
import { Json } from './Json';
import { KEPT, type Entry } from './log';
import css from './log.module.css';

export function LogView() {
  const { log } = useSession();
  const live = useValue(log, () => log.entries);
  const [frozen, setFrozen] = useState<readonly Entry[]>();
  const [kind, setKind] = useState<Kind>('all');
  const [search, setSearch] = useState('');
  const [chosen, setChosen] = useState<Entry>();
  const phone = usePhone();
  const entries = useMemo(() => filtered(frozen ?? live, kind, search), [frozen, live, kind, search]);
  const missed = frozen ? Math.max(0, (live.at(-1)?.id ?? 0) - (frozen.at(-1)?.id ?? 0)) : 0;
  const scroller = useRef<HTMLDivElement>(null);
  const height = phone ? 52 : 32;
  const virtual = useVirtualizer({
    count: entries.length, getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 12,
    getItemKey: (index) => entries[index]!.id,
  });
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (by === 0 || entries.length === 0) return;
    event.preventDefault();
    const at = entries.findIndex(({ id }) => id === chosen?.id);
    const index = Math.max(0, Math.min(entries.length - 1, at + by));
    setChosen(entries[index]);
    virtual.scrollToIndex(index);
  };

  return (
    <div className={css.view} data-detail={chosen ? '' : undefined}>
      <section className={css.main} aria-label="Events">
        <div className={css.bar}>
          <div className={css.searchBox}><SearchField label="Filter events" value={search} onChange={setSearch} /></div>
          <div className={css.kinds}><Segments label="Kind of event" value={kind} options={KINDS} onChange={setKind} /></div>
          <span className={css.buttons}>
            <Button
              icon={frozen ? <Play size={14} /> : <Pause size={14} />} aria-pressed={frozen !== undefined}
              onClick={() => setFrozen(frozen ? undefined : live)}
            >
              {frozen ? 'Resume' : 'Pause'}
            </Button>
            <IconButton label="Clear" onClick={() => { log.clear(); setFrozen(undefined); setChosen(undefined); }}><Trash2 size={16} /></IconButton>
          </span>
        </div>
        <p className={css.state} role="status">
          {frozen
            ? <><CirclePause size={13} aria-hidden /> Paused{missed > 0 && `, ${count(missed)} newer`}</>
            : <>{count(entries.length)} of {count(live.length)} events, the newest {KEPT} are kept</>}
        </p>
        <div ref={scroller} className={css.rows} role="listbox" aria-label="Events, newest first" tabIndex={0} onKeyDown={onKeyDown}
          aria-activedescendant={chosen && entries.includes(chosen) ? `event-${chosen.id}` : undefined}>
          {entries.length === 0 ? (
            <Empty icon={<ScrollText size={22} />} title={live.length === 0 ? 'Nothing yet' : 'No event matches'}>
              {live.length === 0 ? 'What the server sends is listed here as it comes.' : 'Other kinds or words may.'}
            </Empty>
          ) : (
            <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
              {virtual.getVirtualItems().map(({ index, start, key }) => {
                const entry = entries[index]!;
                return (
                  <div
                    key={key} id={`event-${entry.id}`} role="option" aria-selected={entry.id === chosen?.id} className={css.row}
                    style={{ transform: `translateY(${start}px)`, height }} onClick={() => setChosen(entry)}
                  >
                    <time className="num">{clockSeconds(entry.at)}</time>
                    <span className={css.name} data-kind={kindOf(entry.name)}>{entry.name}</span>
                    <span className={css.about}>{entry.about}</span>
                  </div>
                );
              })}
            </div>
          )}
        </div>
      </section>
      {chosen && <Detail entry={chosen} onClose={() => setChosen(undefined)} />}
    </div>
  );
}

/** Marks that turn the direction of text are written out, as JSON may: what stands here is read by its characters. */
const turnless = (json: string) => json.replace(/[\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Of events with thousands of agents the first part is enough to see what they are. */
const MOST = 20_000;

function Detail({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const json = useMemo(() => JSON.stringify(entry.data, null, 2) ?? '', [entry]);
  const shown = boundary(json, MOST);
  return (
    <aside className={css.detail} aria-label={`Event ${entry.name}`}>
      <header>
        <div>
          <h2>{entry.name}</h2>
          <p className="num">{clockSeconds(entry.at)} · number {entry.id}</p>
        </div>
        <IconButton label="Copy" onClick={() => void navigator.clipboard?.writeText(json).catch(() => {})}><Copy size={16} /></IconButton>
        <IconButton label="Close" onClick={onClose}><X size={17} /></IconButton>
      </header>
      <pre tabIndex={0} aria-label="Content"><Json text={turnless(json.slice(0, shown))} />{json.length > shown && `\n… ${count(json.length - shown)} more characters`}</pre>
    </aside>
  );
}
