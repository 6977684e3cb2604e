import { Component, type ReactNode } from 'react';
import { RefreshCw, TriangleAlert } from 'lucide-react';
import { isMissingPart } from '../lib/updated';
import { Button } from '../ui/Button';
import { Empty } from '../ui/Empty';

interface Props {
  /** With another one it is tried again. */
  view?: string;
  /** The whole page: then this is its main part. */
  page?: boolean;
  children: ReactNode;
}

interface State {
  error?: unknown;
  view?: string | undefined;
}

/** Where something below fails, this says so, and the rest of the page goes on. */
export class Boundary extends Component<Props, State> {
  override state: State = { view: this.props.view };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error ?? new Error('unknown') };
  }

  static getDerivedStateFromProps({ view }: Props, state: State): State | null {
    return view === state.view ? null : { view, error: undefined };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    const missing = isMissingPart(error);
    const what = (
      <div role="alert">
        <Empty icon={missing ? <RefreshCw size={22} /> : <TriangleAlert size={22} />} title={missing ? 'The console was updated' : 'Something went wrong here'}>
          {missing ? 'This part of the page is no longer on the server. Reload to go on with the new one.' : error instanceof Error ? error.message : String(error)}
          <br />
          <Button icon={<RefreshCw size={15} />} onClick={() => location.reload()}>Reload</Button>
        </Empty>
      </div>
    );
    return this.props.page ? <main className="page">{what}</main> : what;
  }
}
