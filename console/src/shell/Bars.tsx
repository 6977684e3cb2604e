import { useState } from 'react';
import { Database, RefreshCw, VolumeX } from 'lucide-react';
import { useSetting } from '../attention/settings';
import { useSilent } from '../attention/sound';
import { blocked } from '../lib/storage';
import { useOutdated } from '../lib/updated';
import { Button } from '../ui/Button';
import css from './shell.module.css';

/** What concerns the whole page: there is a newer one, or nothing is kept. Above the page, and never in its way. */
export function Bars() {
  const outdated = useOutdated();
  const [forgets, setForgets] = useState(blocked);
  const silent = useSilent(useSetting('sound'));
  return (
    <>
      {outdated && (
        <div className={css.bar} role="alert">
          <RefreshCw size={16} aria-hidden />
          <p>The console was updated. Reload to use all parts of it.</p>
          <Button kind="plain" onClick={() => location.reload()}>Reload</Button>
        </div>
      )}
      {silent && (
        <div className={css.bar} role="status">
          <VolumeX size={16} aria-hidden />
          <p>Click once for sound: until then the browser keeps this page silent.</p>
        </div>
      )}
      {forgets && (
        <div className={css.bar} role="status">
          <Database size={16} aria-hidden />
          <p>This browser keeps no data for this site. A reload signs you out, and drops what was not sent.</p>
          <Button kind="quiet" onClick={() => setForgets(false)}>Understood</Button>
        </div>
      )}
    </>
  );
}
