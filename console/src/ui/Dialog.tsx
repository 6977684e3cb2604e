import { useEffect, useId, useRef, type ReactNode, type RefObject } from 'react';
import { X } from 'lucide-react';
import { composing } from './keys';
import css from './ui.module.css';

interface Props {
  title: string;
  text?: ReactNode;
  onClose: () => void;
  /**
   * What gets the focus afterwards, where that is not what opened it: that may be gone by then, as a menu's item, or the
   * work may go on elsewhere.
   */
  opener?: RefObject<HTMLElement | null>;
  children: ReactNode;
}

/** A modal dialog: the browser's own, which keeps the focus in and makes the rest inert. */
export function Dialog({ title, text, onClose, opener: kept, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current!;
    const opener = document.activeElement;
    dialog.showModal();
    // Into what is to be filled in; the browser would take the button that closes.
    dialog.querySelector<HTMLElement>('input, textarea')?.focus();
    return () => {
      dialog.close();
      const next = kept?.current ?? opener;
      if (next instanceof HTMLElement) next.focus();
    };
  }, [kept]);
  // A browser may close it without asking before. Where it must not be closed, it comes back.
  const closed = () => {
    if (ref.current?.open !== false) return;
    onClose();
    setTimeout(() => { if (ref.current?.isConnected && !ref.current.open) ref.current.showModal(); });
  };
  return (
    <dialog
      ref={ref}
      className={css.dialog}
      aria-labelledby={id}
      // Before the browser closes it, which it may do without asking.
      onKeyDown={(event) => { if (event.key === 'Escape' && !composing(event)) { event.preventDefault(); onClose(); } }}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onClose={closed}
      onPointerDown={(event) => { if (event.target === ref.current) onClose(); }}
    >
      <div className={css.dialogBody}>
        <header className={css.dialogHead}>
          <div>
            <h2 id={id}>{title}</h2>
            {text && <p>{text}</p>}
          </div>
          {/* No tooltip: it would lie under the dialog, and take Escape for itself. */}
          <button type="button" className={css.icon} aria-label="Close" onClick={onClose}><X size={16} /></button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
