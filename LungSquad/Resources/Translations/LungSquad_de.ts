<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en_US">
<context>
    <name>LungSquad</name>
    <message>
        <source>0 to 1:</source>
        <translation>0 bis 1:</translation>
    </message>
    <message>
        <source>1. Patient</source>
        <translation>1. Patient</translation>
    </message>
    <message>
        <source>2. Tumour</source>
        <translation>2. Tumor</translation>
    </message>
    <message>
        <source>3. Crop</source>
        <translation>3. Ausschnitt</translation>
    </message>
    <message>
        <source>4. Prediction</source>
        <translation>4. Vorhersage</translation>
    </message>
    <message>
        <source>5. Synthetic images</source>
        <translation>5. Synthetische Bilder</translation>
    </message>
    <message>
        <source>6. Report and export</source>
        <translation>6. Bericht und Export</translation>
    </message>
    <message>
        <source>7. Batch</source>
        <translation>7. Stapelverarbeitung</translation>
    </message>
    <message>
        <source>8. Models</source>
        <translation>8. Modelle</translation>
    </message>
    <message>
        <source>About this model</source>
        <translation>Über dieses Modell</translation>
    </message>
    <message>
        <source>Accept</source>
        <translation>Übernehmen</translation>
    </message>
    <message>
        <source>Add SEG and SR to DICOM</source>
        <translation>SEG und SR in DICOM ablegen</translation>
    </message>
    <message>
        <source>Add a click</source>
        <translation>Klick dazu</translation>
    </message>
    <message>
        <source>Add a model file of LungSquad (.safetensors); it is checked and copied to your models</source>
        <translation>Eine Modelldatei von LungSquad (.safetensors) hinzufügen; sie wird geprüft und zu Ihren Modellen kopiert</translation>
    </message>
    <message>
        <source>Add an empty segment and draw it with the Segment Editor</source>
        <translation>Ein leeres Segment anlegen und mit dem Segment Editor zeichnen</translation>
    </message>
    <message>
        <source>Add from file...</source>
        <translation>Aus Datei hinzufügen...</translation>
    </message>
    <message>
        <source>Add the chosen image with its tumour to the scene, outside the patient</source>
        <translation>Das gewählte Bild mit seinem Tumor zur Szene hinzufügen, außerhalb des Patienten</translation>
    </message>
    <message>
        <source>Add the published model from its weights on this computer; the internet is not used</source>
        <translation>Das veröffentlichte Modell aus seinen Gewichten auf diesem Computer hinzufügen; das Internet wird nicht benutzt</translation>
    </message>
    <message>
        <source>All segments with their sizes and results; the chosen row is the tumour that is shown below</source>
        <translation>Alle Segmente mit Größen und Ergebnissen; die gewählte Zeile ist der Tumor, der unten gezeigt wird</translation>
    </message>
    <message>
        <source>All values</source>
        <translation>Alle Werte</translation>
    </message>
    <message>
        <source>All values of the prediction, with their intervals</source>
        <translation>Alle Werte der Vorhersage, mit ihren Intervallen</translation>
    </message>
    <message>
        <source>Axial plane of the crop through the tumour, with the outline</source>
        <translation>Axiale Ebene des Ausschnitts durch den Tumor, mit der Kontur</translation>
    </message>
    <message>
        <source>CT or tumour outline for LungSquad</source>
        <translation>CT oder Tumorkontur für LungSquad</translation>
    </message>
    <message>
        <source>CT:</source>
        <translation>CT:</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Cancel the running task; earlier results are kept</source>
        <translation>Die laufende Aufgabe abbrechen; frühere Ergebnisse bleiben erhalten</translation>
    </message>
    <message>
        <source>Candidates (experimental)</source>
        <translation>Kandidaten (experimentell)</translation>
    </message>
    <message>
        <source>Candidates, the highest score first; a click centres the views</source>
        <translation>Kandidaten, der höchste Score zuerst; ein Klick zentriert die Ansichten</translation>
    </message>
    <message>
        <source>Centre on the tumour</source>
        <translation>Auf den Tumor zentrieren</translation>
    </message>
    <message>
        <source>Centre the crop on the tumour again</source>
        <translation>Den Ausschnitt wieder auf den Tumor zentrieren</translation>
    </message>
    <message>
        <source>Choose a CSV table with the columns ct and mask, a row for each tumour</source>
        <translation>Eine CSV-Tabelle mit den Spalten ct und mask wählen, eine Zeile je Tumor</translation>
    </message>
    <message>
        <source>Choose a folder that holds a folder for each patient, with a CT and the outlines of the tumours</source>
        <translation>Einen Ordner mit einem Ordner je Patient wählen, mit einem CT und den Konturen der Tumoren</translation>
    </message>
    <message>
        <source>Choose a table of `lungsquad radiomics --robustness`, and show its ICC and correlation with the volume beside each feature</source>
        <translation>Eine Tabelle von `lungsquad radiomics --robustness` wählen und deren ICC und Korrelation mit dem Volumen neben jedem Merkmal zeigen</translation>
    </message>
    <message>
        <source>Choose profile...</source>
        <translation>Profil wählen...</translation>
    </message>
    <message>
        <source>Choose where the results go; the folder of an earlier run is continued</source>
        <translation>Wählen, wohin die Ergebnisse kommen; der Ordner eines früheren Laufs wird fortgesetzt</translation>
    </message>
    <message>
        <source>Click in a slice view to set the centre of the crop</source>
        <translation>In eine Schichtansicht klicken, um die Mitte des Ausschnitts zu setzen</translation>
    </message>
    <message>
        <source>Click on a part of the tumour that the outline lacks; networks only</source>
        <translation>Auf einen Teil des Tumors klicken, der in der Kontur fehlt; nur mit Netzen</translation>
    </message>
    <message>
        <source>Click on the tumour in a slice view; LungSquad proposes an outline</source>
        <translation>In einer Schichtansicht auf den Tumor klicken; LungSquad schlägt eine Kontur vor</translation>
    </message>
    <message>
        <source>Click on two opposite corners of a box round the tumour in a slice view, and move its handles; networks only</source>
        <translation>In einer Schichtansicht auf zwei gegenüberliegende Ecken eines Rahmens um den Tumor klicken und seine Griffe verschieben; nur mit Netzen</translation>
    </message>
    <message>
        <source>Click on what the outline must leave out; networks only</source>
        <translation>Auf das klicken, was die Kontur auslassen soll; nur mit Netzen</translation>
    </message>
    <message>
        <source>Colours of the saliency; what is grey here is not shown over the CT</source>
        <translation>Farben der Salienz; was hier grau ist, wird über dem CT nicht gezeigt</translation>
    </message>
    <message>
        <source>Compare with this patient&apos;s slices</source>
        <translation>Mit Schichten dieses Patienten vergleichen</translation>
    </message>
    <message>
        <source>Compute</source>
        <translation>Berechnen</translation>
    </message>
    <message>
        <source>Compute the features of the IBSI standard for this tumour</source>
        <translation>Die Merkmale des IBSI-Standards für diesen Tumor berechnen</translation>
    </message>
    <message>
        <source>Compute with robustness of a cohort...</source>
        <translation>Mit der Robustheit einer Kohorte berechnen...</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Copy how the predictions were made and what to cite, for a paper</source>
        <translation>Kopieren, wie die Vorhersagen entstanden und was zu zitieren ist, für eine Veröffentlichung</translation>
    </message>
    <message>
        <source>Copy methods text</source>
        <translation>Methodentext kopieren</translation>
    </message>
    <message>
        <source>Copy the report and all result files to a folder</source>
        <translation>Den Bericht und alle Ergebnisdateien in einen Ordner kopieren</translation>
    </message>
    <message>
        <source>Copy the table, to paste it into a spreadsheet</source>
        <translation>Die Tabelle kopieren, um sie in eine Tabellenkalkulation einzufügen</translation>
    </message>
    <message>
        <source>Coronal plane of the crop through the tumour, with the outline</source>
        <translation>Koronale Ebene des Ausschnitts durch den Tumor, mit der Kontur</translation>
    </message>
    <message>
        <source>Correct the proposed outline with the Segment Editor</source>
        <translation>Die vorgeschlagene Kontur mit dem Segment Editor korrigieren</translation>
    </message>
    <message>
        <source>Create a computer-made patient with a lung tumour on this computer; nothing is downloaded</source>
        <translation>Auf diesem Computer einen künstlichen Patienten mit Lungentumor erzeugen; nichts wird heruntergeladen</translation>
    </message>
    <message>
        <source>Create a copy of the CT with a synthetic tumour in place of the segment</source>
        <translation>Eine Kopie des CT mit einem synthetischen Tumor an der Stelle des Segments anlegen</translation>
    </message>
    <message>
        <source>Device:</source>
        <translation>Gerät:</translation>
    </message>
    <message>
        <source>Discard</source>
        <translation>Verwerfen</translation>
    </message>
    <message>
        <source>Download the published weights and add the model, after a question that names the server</source>
        <translation>Die veröffentlichten Gewichte herunterladen und das Modell hinzufügen, nach einer Rückfrage, die den Server nennt</translation>
    </message>
    <message>
        <source>Draw</source>
        <translation>Zeichnen</translation>
    </message>
    <message>
        <source>Exclude a click</source>
        <translation>Klick ausschließen</translation>
    </message>
    <message>
        <source>Expression:</source>
        <translation>Expression:</translation>
    </message>
    <message>
        <source>Features with their IBSI codes; agreement (ICC) when the outline is perturbed, and rank correlation with the volume, in the cohort of the table</source>
        <translation>Merkmale mit ihren IBSI-Codes; Übereinstimmung (ICC) bei veränderter Kontur und Rangkorrelation mit dem Volumen, in der Kohorte der Tabelle</translation>
    </message>
    <message>
        <source>Fetch...</source>
        <translation>Holen...</translation>
    </message>
    <message>
        <source>Find candidates (experimental)</source>
        <translation>Kandidaten suchen (experimentell)</translation>
    </message>
    <message>
        <source>Folder of patients...</source>
        <translation>Ordner mit Patienten...</translation>
    </message>
    <message>
        <source>Folder of results...</source>
        <translation>Ergebnisordner...</translation>
    </message>
    <message>
        <source>From a box</source>
        <translation>Per Rahmen</translation>
    </message>
    <message>
        <source>From a chest CT and a tumour outline to a checked crop, a prediction with its uncertainty, and a report. Research software, not a medical device. See the {start}tutorial{end}.</source>
        <translation>Vom Thorax-CT und der Tumorkontur zum geprüften Ausschnitt, zur Vorhersage mit ihrer Unsicherheit und zum Bericht. Forschungssoftware, kein Medizinprodukt. Siehe das {start}Tutorial{end}.</translation>
    </message>
    <message>
        <source>From a click</source>
        <translation>Per Klick</translation>
    </message>
    <message>
        <source>Gene expression of the same patient as CSV: genes and values. Molecular models are then used, too</source>
        <translation>Genexpression desselben Patienten als CSV: Gene und Werte. Dann werden auch molekulare Modelle verwendet</translation>
    </message>
    <message>
        <source>Generate</source>
        <translation>Erzeugen</translation>
    </message>
    <message>
        <source>Generate images similar to the chosen one; not possible for images that were made this way</source>
        <translation>Bilder erzeugen, die dem gewählten ähneln; nicht möglich bei Bildern, die selbst so entstanden sind</translation>
    </message>
    <message>
        <source>Generate synthetic images of tumours</source>
        <translation>Synthetische Bilder von Tumoren erzeugen</translation>
    </message>
    <message>
        <source>Images:</source>
        <translation>Bilder:</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>Importieren</translation>
    </message>
    <message>
        <source>Import a folder into Slicer&apos;s DICOM database and load its CT</source>
        <translation>Einen Ordner in die DICOM-Datenbank von Slicer importieren und sein CT laden</translation>
    </message>
    <message>
        <source>Import an outline: DICOM SEG, RTSTRUCT, .seg.nrrd or a label map</source>
        <translation>Eine Kontur importieren: DICOM SEG, RTSTRUCT, .seg.nrrd oder eine Labelmap</translation>
    </message>
    <message>
        <source>Import mask...</source>
        <translation>Maske importieren...</translation>
    </message>
    <message>
        <source>Import the chosen outline</source>
        <translation>Die gewählte Kontur importieren</translation>
    </message>
    <message>
        <source>Import weights...</source>
        <translation>Gewichte importieren...</translation>
    </message>
    <message>
        <source>Inpaint a synthetic tumour into the CT</source>
        <translation>Synthetischen Tumor in das CT einsetzen</translation>
    </message>
    <message>
        <source>Inpaint a tumour</source>
        <translation>Tumor einsetzen</translation>
    </message>
    <message>
        <source>Keep the proposed outline</source>
        <translation>Die vorgeschlagene Kontur behalten</translation>
    </message>
    <message>
        <source>Keep the report&apos;s files in the scene</source>
        <translation>Die Dateien des Berichts in der Szene behalten</translation>
    </message>
    <message>
        <source>Load DICOM folder...</source>
        <translation>DICOM-Ordner laden...</translation>
    </message>
    <message>
        <source>Load a CT to begin.</source>
        <translation>Laden Sie zu Beginn ein CT.</translation>
    </message>
    <message>
        <source>Load into scene</source>
        <translation>In die Szene laden</translation>
    </message>
    <message>
        <source>Load series</source>
        <translation>Serie laden</translation>
    </message>
    <message>
        <source>Load the chosen CT series</source>
        <translation>Die gewählte CT-Serie laden</translation>
    </message>
    <message>
        <source>Manifest...</source>
        <translation>Manifest...</translation>
    </message>
    <message>
        <source>Mean HU of the synthetic tumour; median is that of the model&apos;s training data</source>
        <translation>Mittlere HE des synthetischen Tumors; Median ist der der Trainingsdaten des Modells</translation>
    </message>
    <message>
        <source>Mean HU:</source>
        <translation>Mittlere HE:</translation>
    </message>
    <message>
        <source>Method for clicks:</source>
        <translation>Verfahren für Klicks:</translation>
    </message>
    <message>
        <source>Model:</source>
        <translation>Modell:</translation>
    </message>
    <message>
        <source>Move the crop</source>
        <translation>Ausschnitt verschieben</translation>
    </message>
    <message>
        <source>Number of images</source>
        <translation>Anzahl der Bilder</translation>
    </message>
    <message>
        <source>Opacity of the saliency over the CT; 0 hides it</source>
        <translation>Deckkraft der Salienz über dem CT; 0 verbirgt sie</translation>
    </message>
    <message>
        <source>Open report</source>
        <translation>Bericht öffnen</translation>
    </message>
    <message>
        <source>Open results</source>
        <translation>Ergebnisse öffnen</translation>
    </message>
    <message>
        <source>Open the page of all results in the web browser</source>
        <translation>Die Seite aller Ergebnisse im Webbrowser öffnen</translation>
    </message>
    <message>
        <source>Outline this candidate</source>
        <translation>Diesen Kandidaten konturieren</translation>
    </message>
    <message>
        <source>Predict</source>
        <translation>Vorhersagen</translation>
    </message>
    <message>
        <source>Predict all</source>
        <translation>Alle vorhersagen</translation>
    </message>
    <message>
        <source>Predict for all patients</source>
        <translation>Für alle Patienten vorhersagen</translation>
    </message>
    <message>
        <source>Predict for every segment of the segmentation, one after the other</source>
        <translation>Für jedes Segment der Segmentierung vorhersagen, eines nach dem anderen</translation>
    </message>
    <message>
        <source>Predict without an expression profile</source>
        <translation>Ohne Expressionsprofil vorhersagen</translation>
    </message>
    <message>
        <source>Predictions from the image, from the expression profile, and from both</source>
        <translation>Vorhersagen aus dem Bild, aus dem Expressionsprofil und aus beiden</translation>
    </message>
    <message>
        <source>Probability (bar), its interval (line), and the baseline from the tumour&apos;s volume alone (tick)</source>
        <translation>Wahrscheinlichkeit (Balken), ihr Intervall (Linie) und der Vergleichswert allein aus dem Tumorvolumen (Strich)</translation>
    </message>
    <message>
        <source>Progress of the running task</source>
        <translation>Fortschritt der laufenden Aufgabe</translation>
    </message>
    <message>
        <source>Propose an outline of the chosen candidate, as from a click</source>
        <translation>Eine Kontur des gewählten Kandidaten vorschlagen, wie per Klick</translation>
    </message>
    <message>
        <source>Published models that can be added</source>
        <translation>Veröffentlichte Modelle, die hinzugefügt werden können</translation>
    </message>
    <message>
        <source>Published:</source>
        <translation>Veröffentlicht:</translation>
    </message>
    <message>
        <source>Put the files of the report and the results into the scene, so that they are there again when it is loaded</source>
        <translation>Die Dateien von Bericht und Ergebnissen in die Szene legen, so dass sie nach dem Laden wieder da sind</translation>
    </message>
    <message>
        <source>Radiomic features</source>
        <translation>Radiomics-Merkmale</translation>
    </message>
    <message>
        <source>Random seed: the same seed gives the same images. It increases with each press</source>
        <translation>Startwert des Zufalls: Derselbe Startwert ergibt dieselben Bilder. Er steigt mit jedem Druck</translation>
    </message>
    <message>
        <source>Ratings, the interval that 8 of 10 readers give, and the standard deviation of readers at such a rating</source>
        <translation>Bewertungen, das Intervall, das 8 von 10 Befundern angeben, und die Standardabweichung der Befunder bei einer solchen Bewertung</translation>
    </message>
    <message>
        <source>Real slices of the patient</source>
        <translation>Echte Schichten des Patienten</translation>
    </message>
    <message>
        <source>Refine</source>
        <translation>Verfeinern</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>Entfernen</translation>
    </message>
    <message>
        <source>Remove the proposed outline</source>
        <translation>Die vorgeschlagene Kontur entfernen</translation>
    </message>
    <message>
        <source>Research software, not a medical device.</source>
        <translation>Forschungssoftware, kein Medizinprodukt.</translation>
    </message>
    <message>
        <source>Result:</source>
        <translation>Ergebnis:</translation>
    </message>
    <message>
        <source>Rows: the CT, the synthetic CT, the synthetic CT with the outline. Columns: axial, coronal, sagittal</source>
        <translation>Zeilen: das CT, das synthetische CT, das synthetische CT mit der Kontur. Spalten: axial, koronal, sagittal</translation>
    </message>
    <message>
        <source>Run the model on the tumour; press again to cancel</source>
        <translation>Das Modell auf den Tumor anwenden; noch einmal drücken zum Abbrechen</translation>
    </message>
    <message>
        <source>Run the models that are chosen above on every case; finished cases are kept when it is cancelled</source>
        <translation>Die oben gewählten Modelle auf jeden Fall anwenden; fertige Fälle bleiben beim Abbrechen erhalten</translation>
    </message>
    <message>
        <source>Sagittal plane of the crop through the tumour, with the outline</source>
        <translation>Sagittale Ebene des Ausschnitts durch den Tumor, mit der Kontur</translation>
    </message>
    <message>
        <source>Saliency:</source>
        <translation>Salienz:</translation>
    </message>
    <message>
        <source>Sample patient</source>
        <translation>Beispielpatient</translation>
    </message>
    <message>
        <source>Save CT, outlines and results as one .mrb file</source>
        <translation>CT, Konturen und Ergebnisse als eine .mrb-Datei speichern</translation>
    </message>
    <message>
        <source>Save SEG and SR...</source>
        <translation>SEG und SR speichern...</translation>
    </message>
    <message>
        <source>Save as CSV...</source>
        <translation>Als CSV speichern...</translation>
    </message>
    <message>
        <source>Save results...</source>
        <translation>Ergebnisse speichern...</translation>
    </message>
    <message>
        <source>Save scene...</source>
        <translation>Szene speichern...</translation>
    </message>
    <message>
        <source>Save table...</source>
        <translation>Tabelle speichern...</translation>
    </message>
    <message>
        <source>Save the features with their names, all digits, units and codes</source>
        <translation>Die Merkmale mit ihren Namen, allen Stellen, Einheiten und Codes speichern</translation>
    </message>
    <message>
        <source>Save the predictions as CSV, one row for each</source>
        <translation>Die Vorhersagen als CSV speichern, eine Zeile für jede</translation>
    </message>
    <message>
        <source>Search the lungs of the whole CT for tumours, which takes minutes</source>
        <translation>Die Lungen des ganzen CT nach Tumoren durchsuchen; das dauert Minuten</translation>
    </message>
    <message>
        <source>Seed:</source>
        <translation>Startwert:</translation>
    </message>
    <message>
        <source>Segment Editor</source>
        <translation>Segment Editor</translation>
    </message>
    <message>
        <source>Show in 3D</source>
        <translation>In 3D zeigen</translation>
    </message>
    <message>
        <source>Show in the slice views</source>
        <translation>In den Schichtansichten zeigen</translation>
    </message>
    <message>
        <source>Show real slices through the tumour, in the same scale and window</source>
        <translation>Echte Schichten durch den Tumor zeigen, in demselben Maßstab und derselben Fensterung</translation>
    </message>
    <message>
        <source>Show the crop box</source>
        <translation>Ausschnitt zeigen</translation>
    </message>
    <message>
        <source>Show the crop box in the slice and 3D views</source>
        <translation>Den Rahmen des Ausschnitts in den Schicht- und 3D-Ansichten zeigen</translation>
    </message>
    <message>
        <source>Show the diameter</source>
        <translation>Durchmesser zeigen</translation>
    </message>
    <message>
        <source>Show the largest axial diameter as a line with its length</source>
        <translation>Den größten axialen Durchmesser als Linie mit ihrer Länge zeigen</translation>
    </message>
    <message>
        <source>Show the report in the web browser</source>
        <translation>Den Bericht im Webbrowser zeigen</translation>
    </message>
    <message>
        <source>Show the surfaces of the segments in the 3D view, or hide them</source>
        <translation>Die Oberflächen der Segmente in der 3D-Ansicht zeigen oder verbergen</translation>
    </message>
    <message>
        <source>Show the synthetic CT over the CT; press again for the CT</source>
        <translation>Das synthetische CT über dem CT zeigen; noch einmal drücken für das CT</translation>
    </message>
    <message>
        <source>Similar images</source>
        <translation>Ähnliche Bilder</translation>
    </message>
    <message>
        <source>Synthetic images: click one to choose it</source>
        <translation>Synthetische Bilder: Anklicken wählt eines</translation>
    </message>
    <message>
        <source>TNM edition:</source>
        <translation>TNM-Auflage:</translation>
    </message>
    <message>
        <source>Take back the last click, or the last move of the box</source>
        <translation>Den letzten Klick oder die letzte Verschiebung des Rahmens zurücknehmen</translation>
    </message>
    <message>
        <source>The CT series in the folder</source>
        <translation>Die CT-Serien im Ordner</translation>
    </message>
    <message>
        <source>The chest CT, in Hounsfield units</source>
        <translation>Das Thorax-CT, in Hounsfield-Einheiten</translation>
    </message>
    <message>
        <source>The class of the synthetic tumour, among those that the model was trained with</source>
        <translation>Die Klasse des synthetischen Tumors, unter denen, mit denen das Modell trainiert wurde</translation>
    </message>
    <message>
        <source>The class of the tumour, among those that the model was trained with</source>
        <translation>Die Klasse des Tumors, unter denen, mit denen das Modell trainiert wurde</translation>
    </message>
    <message>
        <source>The edition of the TNM classification (AJCC, UICC) for the T stage by size</source>
        <translation>Die Auflage der TNM-Klassifikation (AJCC, UICC) für das T-Stadium nach Größe</translation>
    </message>
    <message>
        <source>The generators on this computer</source>
        <translation>Die Generatoren auf diesem Computer</translation>
    </message>
    <message>
        <source>The inpainting models on this computer</source>
        <translation>Die Inpainting-Modelle auf diesem Computer</translation>
    </message>
    <message>
        <source>The models on this computer; the chosen row is described below</source>
        <translation>Die Modelle auf diesem Computer; die gewählte Zeile wird unten beschrieben</translation>
    </message>
    <message>
        <source>The outlines in the file or folder</source>
        <translation>Die Konturen in der Datei oder im Ordner</translation>
    </message>
    <message>
        <source>The prediction models on this computer</source>
        <translation>Die Vorhersagemodelle auf diesem Computer</translation>
    </message>
    <message>
        <source>The predictions for this CT</source>
        <translation>Die Vorhersagen für dieses CT</translation>
    </message>
    <message>
        <source>The prognosis network follows Hosny et al. 2018, doi:10.1371/journal.pmed.1002711.</source>
        <translation>Das Prognosenetz folgt Hosny et al. 2018, doi:10.1371/journal.pmed.1002711.</translation>
    </message>
    <message>
        <source>The sample patient could not be created.</source>
        <translation>Der Beispielpatient konnte nicht erzeugt werden.</translation>
    </message>
    <message>
        <source>The segment that is the tumour</source>
        <translation>Das Segment, das der Tumor ist</translation>
    </message>
    <message>
        <source>Truncation of the latent code: 1 gives the full variety, smaller values more typical images</source>
        <translation>Trunkierung des latenten Codes: 1 ergibt die volle Vielfalt, kleinere Werte typischere Bilder</translation>
    </message>
    <message>
        <source>Truncation:</source>
        <translation>Trunkierung:</translation>
    </message>
    <message>
        <source>Tumour:</source>
        <translation>Tumor:</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>Zurück</translation>
    </message>
    <message>
        <source>What makes an outline from clicks: a network, or region growing</source>
        <translation>Was aus Klicks eine Kontur macht: ein Netz oder Bereichswachstum</translation>
    </message>
    <message>
        <source>Where the network runs; auto uses a graphics card if there is one</source>
        <translation>Wo das Netz rechnet; auto verwendet eine Grafikkarte, wenn es eine gibt</translation>
    </message>
    <message>
        <source>With the default settings of `lungsquad radiomics`. Features depend on the outline, and most follow the volume.</source>
        <translation>Mit den Voreinstellungen von `lungsquad radiomics`. Die Merkmale hängen von der Kontur ab, und die meisten folgen dem Volumen.</translation>
    </message>
    <message>
        <source>Write the outline (SEG) and the results (SR) as DICOM with a pseudonym, into a folder; Slicer&apos;s database stays as it is</source>
        <translation>Die Kontur (SEG) und die Ergebnisse (SR) als DICOM mit einem Pseudonym in einen Ordner schreiben; die Datenbank von Slicer bleibt, wie sie ist</translation>
    </message>
    <message>
        <source>Write the outline (SEG) and the results (SR) as DICOM with the patient&apos;s name and ID, into the patient&apos;s study in Slicer&apos;s database</source>
        <translation>Die Kontur (SEG) und die Ergebnisse (SR) als DICOM mit Namen und ID des Patienten schreiben, in die Untersuchung des Patienten in der Datenbank von Slicer</translation>
    </message>
    <message>
        <source>median</source>
        <translation>Median</translation>
    </message>
</context>
<context>
    <name>LungSquadLib.progress</name>
    <message>
        <source>Blending</source>
        <translation>Überblenden</translation>
    </message>
    <message>
        <source>Comparing the CT with its DICOM series</source>
        <translation>Vergleichen des CT mit seiner DICOM-Serie</translation>
    </message>
    <message>
        <source>Comparing with region growing</source>
        <translation>Vergleichen mit dem Bereichswachstum</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>Fertig</translation>
    </message>
    <message>
        <source>Drawing</source>
        <translation>Zeichnen der Abbildungen</translation>
    </message>
    <message>
        <source>Generating</source>
        <translation>Erzeugen</translation>
    </message>
    <message>
        <source>Inpainting</source>
        <translation>Einsetzen</translation>
    </message>
    <message>
        <source>Loading PyTorch</source>
        <translation>Laden von PyTorch</translation>
    </message>
    <message>
        <source>Looking for the tumour&apos;s extent</source>
        <translation>Suchen der Ausdehnung des Tumors</translation>
    </message>
    <message>
        <source>Reading the CT</source>
        <translation>Lesen des CT</translation>
    </message>
    <message>
        <source>Reading the mask</source>
        <translation>Lesen der Maske</translation>
    </message>
    <message>
        <source>Reading the model</source>
        <translation>Lesen des Modells</translation>
    </message>
    <message>
        <source>Robustness</source>
        <translation>Robustheit</translation>
    </message>
    <message>
        <source>SEG and SR are written</source>
        <translation>SEG und SR sind geschrieben</translation>
    </message>
    <message>
        <source>Segmenting</source>
        <translation>Segmentieren</translation>
    </message>
    <message>
        <source>Segmenting the lungs</source>
        <translation>Segmentieren der Lungen</translation>
    </message>
    <message>
        <source>The phantom patient is written</source>
        <translation>Der Phantompatient ist geschrieben</translation>
    </message>
    <message>
        <source>Training a segmenter for the evaluation</source>
        <translation>Trainieren eines Segmentierers für die Bewertung</translation>
    </message>
    <message>
        <source>Waiting for another request</source>
        <translation>Warten auf eine andere Anfrage</translation>
    </message>
    <message>
        <source>Writing SEG and SR</source>
        <translation>Schreiben von SEG und SR</translation>
    </message>
    <message>
        <source>Writing the CT</source>
        <translation>Schreiben des CT</translation>
    </message>
    <message>
        <source>Writing the RTSTRUCT</source>
        <translation>Schreiben des RTSTRUCT</translation>
    </message>
    <message>
        <source>Writing the SEG</source>
        <translation>Schreiben des SEG</translation>
    </message>
    <message>
        <source>Writing the changed part</source>
        <translation>Schreiben des geänderten Teils</translation>
    </message>
    <message>
        <source>Writing the images</source>
        <translation>Schreiben der Bilder</translation>
    </message>
    <message>
        <source>Writing the mask</source>
        <translation>Schreiben der Maske</translation>
    </message>
    <message>
        <source>Writing the report</source>
        <translation>Schreiben des Berichts</translation>
    </message>
</context>
<context>
    <name>panel.batch</name>
    <message>
        <source> Choose a folder for the results.</source>
        <translation> Wählen Sie einen Ordner für die Ergebnisse.</translation>
    </message>
    <message>
        <source> See errors.csv for what failed.</source>
        <translation> Was fehlschlug, steht in errors.csv.</translation>
    </message>
    <message>
        <source> {n} finished before are kept.</source>
        <translation> {n} schon fertige bleiben erhalten.</translation>
    </message>
    <message>
        <source>About {minutes:.0f} min for {n} cases, at {pace:.1f} s each as in the last run of these models on this machine.</source>
        <translation>Etwa {minutes:.0f} min für {n} Fälle, bei je {pace:.1f} s wie im letzten Lauf dieser Modelle auf diesem Rechner.</translation>
    </message>
    <message>
        <source>Choose a manifest, a CSV table with a row for each tumour, or a folder.</source>
        <translation>Wählen Sie ein Manifest, eine CSV-Tabelle mit einer Zeile je Tumor, oder einen Ordner.</translation>
    </message>
    <message>
        <source>Folder for the results; that of an earlier run is continued</source>
        <translation>Ordner für die Ergebnisse; der eines früheren Laufs wird fortgesetzt</translation>
    </message>
    <message>
        <source>Folder of patients: a folder each, with CT and outline</source>
        <translation>Ordner mit Patienten: je ein Ordner mit CT und Kontur</translation>
    </message>
    <message>
        <source>Left out: &apos;{name}&apos;. {reason}</source>
        <translation>Ausgelassen: &apos;{name}&apos;. {reason}</translation>
    </message>
    <message>
        <source>Looking at the patients</source>
        <translation>Die Patienten werden durchgesehen</translation>
    </message>
    <message>
        <source>Manifest: a table with the columns ct and mask</source>
        <translation>Manifest: eine Tabelle mit den Spalten ct und mask</translation>
    </message>
    <message>
        <source>No web browser could be opened. Open the file index.html.</source>
        <translation>Es konnte kein Webbrowser geöffnet werden. Öffnen Sie die Datei index.html.</translation>
    </message>
    <message>
        <source>Predicting for all patients</source>
        <translation>Vorhersage für alle Patienten</translation>
    </message>
    <message>
        <source>Tables (*.csv);;All files (*)</source>
        <translation>Tabellen (*.csv);;Alle Dateien (*)</translation>
    </message>
    <message>
        <source>The first cases will show how long it takes.</source>
        <translation>Wie lange es dauert, zeigen die ersten Fälle.</translation>
    </message>
    <message>
        <source>The page of results is open in the web browser.</source>
        <translation>Die Ergebnisseite ist im Webbrowser geöffnet.</translation>
    </message>
    <message>
        <source>The patients are listed. Check the plan before you start.</source>
        <translation>Die Patienten sind erfasst. Prüfen Sie den Plan vor dem Start.</translation>
    </message>
    <message>
        <source>{name}: {n} cases.</source>
        <translation>{name}: {n} Fälle.</translation>
    </message>
    <message>
        <source>{n} cases.</source>
        <translation>{n} Fälle.</translation>
    </message>
    <message>
        <source>{n} cases. About {minutes:.0f} more minutes at the pace until now.</source>
        <translation>{n} Fälle. Noch etwa {minutes:.0f} Minuten beim bisherigen Tempo.</translation>
    </message>
    <message>
        <source>{n} more folders are left out.</source>
        <translation>{n} weitere Ordner sind ausgelassen.</translation>
    </message>
    <message>
        <source>{summary}. Open the page of results.</source>
        <translation>{summary}. Öffnen Sie die Ergebnisseite.</translation>
    </message>
</context>
<context>
    <name>panel.candidates</name>
    <message>
        <source>1 candidate.</source>
        <translation>1 Kandidat.</translation>
    </message>
    <message>
        <source>Searching the lungs</source>
        <translation>Durchsuchen der Lungen</translation>
    </message>
    <message>
        <source>{number}: score {score:.2f}, {mm:.0f} mm, at RAS {r:.0f}, {a:.0f}, {s:.0f}</source>
        <translation>{number}: Score {score:.2f}, {mm:.0f} mm, bei RAS {r:.0f}, {a:.0f}, {s:.0f}</translation>
    </message>
    <message>
        <source>{n} candidates.</source>
        <translation>{n} Kandidaten.</translation>
    </message>
</context>
<context>
    <name>panel.clicks</name>
    <message>
        <source>1 click</source>
        <translation>1 Klick</translation>
    </message>
    <message>
        <source>Click on the tumour in a slice view.</source>
        <translation>Klicken Sie in einer Schichtansicht auf den Tumor.</translation>
    </message>
    <message>
        <source>Click on two opposite corners of a box round the tumour in a slice view.</source>
        <translation>Klicken Sie in einer Schichtansicht auf zwei gegenüberliegende Ecken eines Rahmens um den Tumor.</translation>
    </message>
    <message>
        <source>Click on what the outline must leave out.</source>
        <translation>Klicken Sie auf das, was die Kontur auslassen soll.</translation>
    </message>
    <message>
        <source>Other work is running: move the box when it is finished.</source>
        <translation>Es läuft eine andere Aufgabe: Verschieben Sie den Rahmen, wenn sie fertig ist.</translation>
    </message>
    <message>
        <source>Proposed outline: {ml:.2f} mL, by {source} ({marks}).</source>
        <translation>Vorgeschlagene Kontur: {ml:.2f} ml, durch {source} ({marks}).</translation>
    </message>
    <message>
        <source>Region growing</source>
        <translation>Bereichswachstum (Region Growing)</translation>
    </message>
    <message>
        <source>Segmenting the tumour</source>
        <translation>Segmentieren des Tumors</translation>
    </message>
    <message>
        <source>a box</source>
        <translation>ein Rahmen</translation>
    </message>
    <message>
        <source>{n} clicks</source>
        <translation>{n} Klicks</translation>
    </message>
</context>
<context>
    <name>panel.context</name>
    <message>
        <source>The scene is being closed or loaded. Wait until it is ready.</source>
        <translation>Die Szene wird gerade geschlossen oder geladen. Warten Sie, bis sie bereit ist.</translation>
    </message>
</context>
<context>
    <name>panel.crop</name>
    <message>
        <source>Choose or load a CT first.</source>
        <translation>Wählen oder laden Sie zuerst ein CT.</translation>
    </message>
    <message>
        <source>Click in a slice view to set the centre of the crop.</source>
        <translation>Klicken Sie in eine Schichtansicht, um die Mitte des Ausschnitts zu setzen.</translation>
    </message>
    <message>
        <source>Crop: {sides} mm.</source>
        <translation>Ausschnitt: {sides} mm.</translation>
    </message>
    <message>
        <source>No quality warnings.</source>
        <translation>Keine Qualitätswarnungen.</translation>
    </message>
    <message>
        <source>Outline the tumour first.</source>
        <translation>Konturieren Sie zuerst den Tumor.</translation>
    </message>
    <message>
        <source>T stage: {sentence}</source>
        <translation>T-Stadium: {sentence}</translation>
    </message>
    <message>
        <source>The crop is centred on the tumour again.</source>
        <translation>Der Ausschnitt ist wieder auf den Tumor zentriert.</translation>
    </message>
    <message>
        <source>The crop was moved. The models were trained on crops centred on the tumour.</source>
        <translation>Der Ausschnitt wurde verschoben. Die Modelle wurden mit Ausschnitten trainiert, die auf den Tumor zentriert sind.</translation>
    </message>
    <message>
        <source>Tumour volume: {ml:.2f} mL.</source>
        <translation>Tumorvolumen: {ml:.2f} ml.</translation>
    </message>
</context>
<context>
    <name>panel.dicom_database</name>
    <message>
        <source>Slicer could not load this series. See its error log.</source>
        <translation>Slicer konnte diese Serie nicht laden. Siehe das Fehlerprotokoll.</translation>
    </message>
    <message>
        <source>Slicer&apos;s DICOM database could not be opened in &apos;{folder}&apos;. Open the module DICOM, choose another database folder in its settings, and try again.</source>
        <translation>Die DICOM-Datenbank von Slicer konnte in „{folder}“ nicht geöffnet werden. Öffnen Sie das Modul DICOM, wählen Sie in dessen Einstellungen einen anderen Datenbankordner und versuchen Sie es noch einmal.</translation>
    </message>
    <message>
        <source>Slicer&apos;s DICOM database took no SEG and SR. See its error log.</source>
        <translation>Die DICOM-Datenbank von Slicer hat SEG und SR nicht aufgenommen. Siehe das Fehlerprotokoll.</translation>
    </message>
    <message>
        <source>Slicer&apos;s DICOM database was created in &apos;{folder}&apos;.</source>
        <translation>Die DICOM-Datenbank von Slicer wurde in „{folder}“ angelegt.</translation>
    </message>
</context>
<context>
    <name>panel.inpainting</name>
    <message>
        <source>&apos;{name}&apos;, by {model}.</source>
        <translation>„{name}“, durch {model}.</translation>
    </message>
    <message>
        <source>Inpainting a synthetic tumour</source>
        <translation>Einsetzen eines synthetischen Tumors</translation>
    </message>
    <message>
        <source>No inpainting model is installed.</source>
        <translation>Es ist kein Inpainting-Modell installiert.</translation>
    </message>
    <message>
        <source>Requested: mean {hu:.0f} HU, diameter {diameter_mm:.1f} mm.</source>
        <translation>Verlangt: Mittelwert {hu:.0f} HE, Durchmesser {diameter_mm:.1f} mm.</translation>
    </message>
    <message>
        <source>Result: mean {hu:.0f} HU, diameter {diameter_mm:.1f} mm.</source>
        <translation>Ergebnis: Mittelwert {hu:.0f} HE, Durchmesser {diameter_mm:.1f} mm.</translation>
    </message>
    <message>
        <source>The synthetic tumour is in a new volume. The patient&apos;s CT is unchanged.</source>
        <translation>Der synthetische Tumor liegt in einem neuen Volumen. Das CT des Patienten ist unverändert.</translation>
    </message>
</context>
<context>
    <name>panel.installation</name>
    <message>
        <source>Install the extension PyTorch with Slicer&apos;s Extensions Manager, restart Slicer, and try again. Without internet, see the tutorial, &apos;Offline installation&apos;.</source>
        <translation>Installieren Sie die Erweiterung PyTorch mit der Erweiterungsverwaltung von Slicer, starten Sie Slicer neu und versuchen Sie es noch einmal. Ohne Internet siehe das Tutorial, „Offline installation“.</translation>
    </message>
    <message>
        <source>LungSquad</source>
        <translation>LungSquad</translation>
    </message>
    <message>
        <source>LungSquad needs {packages} for this. What is missing is downloaded from the internet and installed into Slicer&apos;s Python, which can take minutes. Install it now?</source>
        <translation>LungSquad braucht dafür {packages}. Was fehlt, wird aus dem Internet geladen und in das Python von Slicer installiert; das kann Minuten dauern. Jetzt installieren?</translation>
    </message>
    <message>
        <source>Nothing was installed. {packages} is needed for this.</source>
        <translation>Es wurde nichts installiert. Dafür wird {packages} gebraucht.</translation>
    </message>
    <message>
        <source>{packages} could not be installed. See Slicer&apos;s error log.</source>
        <translation>{packages} konnte nicht installiert werden. Siehe das Fehlerprotokoll von Slicer.</translation>
    </message>
    <message>
        <source>{packages} is installed. Press the button again.</source>
        <translation>{packages} ist installiert. Drücken Sie den Knopf noch einmal.</translation>
    </message>
</context>
<context>
    <name>panel.model_choice</name>
    <message>
        <source>any</source>
        <translation>beliebig</translation>
    </message>
</context>
<context>
    <name>panel.models</name>
    <message>
        <source>&apos;Fetch...&apos; downloads it from {host}.</source>
        <translation>„Holen...“ lädt es von {host} herunter.</translation>
    </message>
    <message>
        <source>&apos;{title}&apos; ({size:.1f} MB) is downloaded from {host}. Licence: {licence}. The request names the file; nothing about a patient is sent. Fetch it now?</source>
        <translation>„{title}“ ({size:.1f} MB) wird von {host} heruntergeladen. Lizenz: {licence}. Die Anfrage nennt die Datei; über Patienten wird nichts gesendet. Jetzt holen?</translation>
    </message>
    <message>
        <source>Added by</source>
        <translation>Hinzugefügt von</translation>
    </message>
    <message>
        <source>Adding a model</source>
        <translation>Hinzufügen eines Modells</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>Alle Dateien (*)</translation>
    </message>
    <message>
        <source>Download the file from its source, then press &apos;Import weights...&apos;. The model computes features for trainings.</source>
        <translation>Laden Sie die Datei von ihrer Quelle herunter und drücken Sie „Gewichte importieren...“. Das Modell berechnet Merkmale für Trainings.</translation>
    </message>
    <message>
        <source>File: {path}</source>
        <translation>Datei: {path}</translation>
    </message>
    <message>
        <source>It is installed.</source>
        <translation>Es ist installiert.</translation>
    </message>
    <message>
        <source>Learnt from</source>
        <translation>Gelernt aus</translation>
    </message>
    <message>
        <source>Learnt from: {data}</source>
        <translation>Gelernt aus: {data}</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>Lizenz</translation>
    </message>
    <message>
        <source>Licence: {licence}</source>
        <translation>Lizenz: {licence}</translation>
    </message>
    <message>
        <source>Licence: {licence}. In a hospital: {hospital}.</source>
        <translation>Lizenz: {licence}. In einer Klinik: {hospital}.</translation>
    </message>
    <message>
        <source>LungSquad</source>
        <translation>LungSquad</translation>
    </message>
    <message>
        <source>LungSquad models (*.safetensors);;All files (*)</source>
        <translation>LungSquad-Modelle (*.safetensors);;Alle Dateien (*)</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
    <message>
        <source>Model file of LungSquad</source>
        <translation>Modelldatei von LungSquad</translation>
    </message>
    <message>
        <source>Nothing was fetched.</source>
        <translation>Es wurde nichts geholt.</translation>
    </message>
    <message>
        <source>Published weights: {title}</source>
        <translation>Veröffentlichte Gewichte: {title}</translation>
    </message>
    <message>
        <source>Size: {size}. Source: {source}.</source>
        <translation>Größe: {size}. Quelle: {source}.</translation>
    </message>
    <message>
        <source>The model &apos;{name}&apos; is installed: &apos;{path}&apos;.</source>
        <translation>Das Modell „{name}“ ist installiert: „{path}“.</translation>
    </message>
    <message>
        <source>There is already a model &apos;{name}&apos;. Use the one in the file instead?</source>
        <translation>Es gibt schon ein Modell „{name}“. Soll stattdessen das aus der Datei verwendet werden?</translation>
    </message>
    <message>
        <source>not known</source>
        <translation>nicht bekannt</translation>
    </message>
    <message>
        <source>you</source>
        <translation>Ihnen</translation>
    </message>
    <message>
        <source>{size:.1f} MB</source>
        <translation>{size:.1f} MB</translation>
    </message>
    <message>
        <source>{source} (not used: another has its name)</source>
        <translation>{source} (nicht verwendet: ein anderes hat denselben Namen)</translation>
    </message>
</context>
<context>
    <name>panel.panel</name>
    <message>
        <source>The scene is loaded.</source>
        <translation>Die Szene ist geladen.</translation>
    </message>
    <message>
        <source>The scene was closed, so this was stopped: {title}.</source>
        <translation>Die Szene wurde geschlossen, deshalb wurde dies abgebrochen: {title}.</translation>
    </message>
    <message>
        <source>The scene was closed. Load a CT.</source>
        <translation>Die Szene wurde geschlossen. Laden Sie ein CT.</translation>
    </message>
</context>
<context>
    <name>panel.patient</name>
    <message>
        <source>&apos;{folder}&apos; holds no CT that can be used. {reason}</source>
        <translation>„{folder}“ enthält kein verwendbares CT. {reason}</translation>
    </message>
    <message>
        <source>Creating the sample patient</source>
        <translation>Erzeugen des Beispielpatienten</translation>
    </message>
    <message>
        <source>Folder with a patient&apos;s DICOM files</source>
        <translation>Ordner mit den DICOM-Dateien eines Patienten</translation>
    </message>
    <message>
        <source>It holds other files, but no CT series.</source>
        <translation>Er enthält andere Dateien, aber keine CT-Serie.</translation>
    </message>
    <message>
        <source>Loading the series</source>
        <translation>Laden der Serie</translation>
    </message>
    <message>
        <source>Reading the folder</source>
        <translation>Lesen des Ordners</translation>
    </message>
    <message>
        <source>Slicer cannot read &apos;{path}&apos; as a volume.</source>
        <translation>Slicer kann „{path}“ nicht als Volumen lesen.</translation>
    </message>
    <message>
        <source>The CT is loaded. Next: outline the tumour.</source>
        <translation>Das CT ist geladen. Als Nächstes: den Tumor konturieren.</translation>
    </message>
    <message>
        <source>The CT is loaded. The folder also holds outlines: import the tumour&apos;s.</source>
        <translation>Das CT ist geladen. Der Ordner enthält auch Konturen: Importieren Sie die des Tumors.</translation>
    </message>
    <message>
        <source>The computer-made sample patient is loaded, with its tumour.</source>
        <translation>Der am Computer erzeugte Beispielpatient ist mit seinem Tumor geladen.</translation>
    </message>
    <message>
        <source>The folder holds several CT series. Choose one and load it.</source>
        <translation>Der Ordner enthält mehrere CT-Serien. Wählen Sie eine und laden Sie sie.</translation>
    </message>
    <message>
        <source>no description</source>
        <translation>ohne Beschreibung</translation>
    </message>
    <message>
        <source>{name} ({slices} slices, {thickness:.3g} mm apart)</source>
        <translation>{name} ({slices} Schichten, Abstand {thickness:.3g} mm)</translation>
    </message>
</context>
<context>
    <name>panel.prediction</name>
    <message>
        <source>All models</source>
        <translation>Alle Modelle</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>No model for predictions is installed.</source>
        <translation>Es ist kein Modell für Vorhersagen installiert.</translation>
    </message>
    <message>
        <source>Predict</source>
        <translation>Vorhersagen</translation>
    </message>
    <message>
        <source>Predicting</source>
        <translation>Vorhersage</translation>
    </message>
    <message>
        <source>Prediction finished. Read the warnings before the probabilities.</source>
        <translation>Vorhersage fertig. Lesen Sie die Warnungen vor den Wahrscheinlichkeiten.</translation>
    </message>
    <message>
        <source>The crop is being computed.</source>
        <translation>Der Ausschnitt wird berechnet.</translation>
    </message>
    <message>
        <source>{n} of {all} tumours are predicted. Read the warnings before the probabilities.</source>
        <translation>Für {n} von {all} Tumoren liegt eine Vorhersage vor. Lesen Sie die Warnungen vor den Wahrscheinlichkeiten.</translation>
    </message>
    <message>
        <source>{title}: trained on {data}. Licence: {licence}.</source>
        <translation>{title}: trainiert mit {data}. Lizenz: {licence}.</translation>
    </message>
</context>
<context>
    <name>panel.prediction_files</name>
    <message>
        <source>The files of these results are gone: the scene was saved without. Predict again.</source>
        <translation>Die Dateien dieser Ergebnisse sind nicht mehr da: Die Szene wurde ohne sie gespeichert. Sagen Sie noch einmal vorher.</translation>
    </message>
</context>
<context>
    <name>panel.prediction_result</name>
    <message>
        <source>Preliminary: the interval, the robustness and the report follow.</source>
        <translation>Vorläufig: Das Intervall, die Robustheit und der Bericht folgen.</translation>
    </message>
    <message>
        <source>Probability of {name}: {value} (bar).</source>
        <translation>Wahrscheinlichkeit von {name}: {value} (Balken).</translation>
    </message>
    <message>
        <source>Range over {positions} positions of the crop: {low} to {high}.</source>
        <translation>Spanne über {positions} Lagen des Ausschnitts: {low} bis {high}.</translation>
    </message>
    <message>
        <source>Volume-only baseline: {value} (tick).</source>
        <translation>Vergleichswert allein aus dem Volumen: {value} (Strich).</translation>
    </message>
    <message>
        <source>{level:.0%} interval: {low} to {high} (line).</source>
        <translation>{level:.0%}-Intervall: {low} bis {high} (Linie).</translation>
    </message>
</context>
<context>
    <name>panel.profile</name>
    <message>
        <source>Expression profile of this patient</source>
        <translation>Expressionsprofil dieses Patienten</translation>
    </message>
    <message>
        <source>No installed model uses an expression profile for this question. Choose all models, or remove the profile.</source>
        <translation>Kein installiertes Modell verwendet für diese Frage ein Expressionsprofil. Wählen Sie alle Modelle oder entfernen Sie das Profil.</translation>
    </message>
    <message>
        <source>No installed model uses an expression profile.</source>
        <translation>Kein installiertes Modell verwendet ein Expressionsprofil.</translation>
    </message>
    <message>
        <source>None: predictions use the image alone.</source>
        <translation>Keines: Vorhersagen verwenden nur das Bild.</translation>
    </message>
    <message>
        <source>Predictions from image and expression profile ({genes} genes, SHA-256 {sha256}...):</source>
        <translation>Vorhersagen aus Bild und Expressionsprofil ({genes} Gene, SHA-256 {sha256}...):</translation>
    </message>
    <message>
        <source>Tables (*.csv *.tsv *.txt *.gz);;All files (*)</source>
        <translation>Tabellen (*.csv *.tsv *.txt *.gz);;Alle Dateien (*)</translation>
    </message>
    <message>
        <source>The CT or the segmentation has changed, so the expression profile was removed. Choose this patient&apos;s profile.</source>
        <translation>Das CT oder die Segmentierung hat gewechselt, deshalb wurde das Expressionsprofil entfernt. Wählen Sie das Profil dieses Patienten.</translation>
    </message>
    <message>
        <source>{model}: largest contributions {genes}.</source>
        <translation>{model}: größte Beiträge {genes}.</translation>
    </message>
    <message>
        <source>{name}. Check that it belongs to this patient.</source>
        <translation>{name}. Prüfen Sie, ob es zu diesem Patienten gehört.</translation>
    </message>
</context>
<context>
    <name>panel.radiomics</name>
    <message>
        <source>Computing the features</source>
        <translation>Die Merkmale werden berechnet</translation>
    </message>
    <message>
        <source>Feature</source>
        <translation>Merkmal</translation>
    </message>
    <message>
        <source>IBSI</source>
        <translation>IBSI</translation>
    </message>
    <message>
        <source>ICC</source>
        <translation>ICC</translation>
    </message>
    <message>
        <source>Radiomic features</source>
        <translation>Radiomics-Merkmale</translation>
    </message>
    <message>
        <source>Robustness, as `lungsquad radiomics --robustness` writes it</source>
        <translation>Robustheit, wie `lungsquad radiomics --robustness` sie schreibt</translation>
    </message>
    <message>
        <source>Saved as &apos;{path}&apos;.</source>
        <translation>Als „{path}“ gespeichert.</translation>
    </message>
    <message>
        <source>Table (*.csv)</source>
        <translation>Tabelle (*.csv)</translation>
    </message>
    <message>
        <source>The features are in the clipboard, for a spreadsheet.</source>
        <translation>Die Merkmale sind in der Zwischenablage, für eine Tabellenkalkulation.</translation>
    </message>
    <message>
        <source>Unit</source>
        <translation>Einheit</translation>
    </message>
    <message>
        <source>Value</source>
        <translation>Wert</translation>
    </message>
    <message>
        <source>Volume correlation</source>
        <translation>Korrelation mit dem Volumen</translation>
    </message>
    <message>
        <source>not defined</source>
        <translation>nicht definiert</translation>
    </message>
    <message>
        <source>{icc} (below 0.75)</source>
        <translation>{icc} (unter 0,75)</translation>
    </message>
    <message>
        <source>{n} features.</source>
        <translation>{n} Merkmale.</translation>
    </message>
</context>
<context>
    <name>panel.report</name>
    <message>
        <source>No web browser could be opened. Save the results instead.</source>
        <translation>Es konnte kein Webbrowser geöffnet werden. Speichern Sie stattdessen die Ergebnisse.</translation>
    </message>
    <message>
        <source>Run a prediction first.</source>
        <translation>Führen Sie zuerst eine Vorhersage aus.</translation>
    </message>
    <message>
        <source>SEG and SR are in the patient&apos;s study in Slicer&apos;s DICOM database.</source>
        <translation>SEG und SR sind in der Untersuchung des Patienten in der DICOM-Datenbank von Slicer.</translation>
    </message>
    <message>
        <source>SEG and SR refer to a DICOM series, and this CT was not loaded from DICOM. Load the CT from its DICOM folder.</source>
        <translation>SEG und SR beziehen sich auf eine DICOM-Serie, und dieses CT wurde nicht aus DICOM geladen. Laden Sie das CT aus seinem DICOM-Ordner.</translation>
    </message>
    <message>
        <source>Saved as &apos;{path}&apos;.</source>
        <translation>Als „{path}“ gespeichert.</translation>
    </message>
    <message>
        <source>Saved in &apos;{folder}&apos;, with a pseudonym for the patient.</source>
        <translation>In „{folder}“ gespeichert, mit einem Pseudonym für den Patienten.</translation>
    </message>
    <message>
        <source>Saved in &apos;{folder}&apos;.</source>
        <translation>In „{folder}“ gespeichert.</translation>
    </message>
    <message>
        <source>Scene</source>
        <translation>Szene</translation>
    </message>
    <message>
        <source>Slicer scene (*.mrb)</source>
        <translation>Slicer-Szene (*.mrb)</translation>
    </message>
    <message>
        <source>Table (*.csv)</source>
        <translation>Tabelle (*.csv)</translation>
    </message>
    <message>
        <source>Table of the results</source>
        <translation>Tabelle der Ergebnisse</translation>
    </message>
    <message>
        <source>The CT, the outline or the crop has changed since the prediction. Predict again before SEG and SR are written.</source>
        <translation>Das CT, die Kontur oder der Ausschnitt hat sich seit der Vorhersage geändert. Starten Sie die Vorhersage neu, bevor SEG und SR geschrieben werden.</translation>
    </message>
    <message>
        <source>The methods text is in the clipboard. Paste it into your paper.</source>
        <translation>Der Methodentext ist in der Zwischenablage. Fügen Sie ihn in Ihre Arbeit ein.</translation>
    </message>
    <message>
        <source>The report is open in the web browser.</source>
        <translation>Der Bericht ist im Webbrowser geöffnet.</translation>
    </message>
    <message>
        <source>Where to put the folder with SEG and SR</source>
        <translation>Wohin der Ordner mit SEG und SR soll</translation>
    </message>
    <message>
        <source>Where to put the folder with the results</source>
        <translation>Wohin der Ordner mit den Ergebnissen soll</translation>
    </message>
    <message>
        <source>Writing DICOM SEG and SR</source>
        <translation>Schreiben von DICOM SEG und SR</translation>
    </message>
</context>
<context>
    <name>panel.section</name>
    <message>
        <source>Info</source>
        <translation>Hinweis</translation>
    </message>
    <message>
        <source>Out of date: the CT, the outline or the crop has changed since. Predict again.</source>
        <translation>Veraltet: Das CT, die Kontur oder der Ausschnitt hat sich seitdem geändert. Starten Sie die Vorhersage neu.</translation>
    </message>
    <message>
        <source>Severe</source>
        <translation>Schwerwiegend</translation>
    </message>
    <message>
        <source>Warning</source>
        <translation>Warnung</translation>
    </message>
</context>
<context>
    <name>panel.synthetic</name>
    <message>
        <source>, similar to image {number}</source>
        <translation>, ähnlich wie Bild {number}</translation>
    </message>
    <message>
        <source>Added to the scene as &apos;{name}&apos;, outside the patient: see the module Data.</source>
        <translation>Als „{name}“ zur Szene hinzugefügt, außerhalb des Patienten: siehe das Modul Data.</translation>
    </message>
    <message>
        <source>Generating images</source>
        <translation>Erzeugen von Bildern</translation>
    </message>
    <message>
        <source>No model that generates images is installed. Put such a model (a .safetensors file) into {folder}.</source>
        <translation>Es ist kein Modell installiert, das Bilder erzeugt. Legen Sie ein solches Modell (eine .safetensors-Datei) in {folder}.</translation>
    </message>
    <message>
        <source>Real slices of this patient, in the same window and scale:</source>
        <translation>Echte Schichten dieses Patienten, in derselben Fensterung und demselben Maßstab:</translation>
    </message>
    <message>
        <source>The images are generated. They are synthetic and show no patient.</source>
        <translation>Die Bilder sind erzeugt. Sie sind synthetisch und zeigen keinen Patienten.</translation>
    </message>
    <message>
        <source>{title}, seed {seed}</source>
        <translation>{title}, Startwert {seed}</translation>
    </message>
</context>
<context>
    <name>panel.tasks</name>
    <message>
        <source>&apos;{name}&apos; was removed, so this was stopped: {title}.</source>
        <translation>„{name}“ wurde entfernt, deshalb wurde dies abgebrochen: {title}.</translation>
    </message>
    <message>
        <source>Another task is running: {title}. Wait until it is finished, or cancel it.</source>
        <translation>Es läuft schon eine andere Aufgabe: {title}. Warten Sie, bis sie fertig ist, oder brechen Sie sie ab.</translation>
    </message>
    <message>
        <source>Cancelled.</source>
        <translation>Abgebrochen.</translation>
    </message>
    <message>
        <source>The CT or the outline was removed from the scene meanwhile.</source>
        <translation>Das CT oder die Kontur wurde inzwischen aus der Szene entfernt.</translation>
    </message>
</context>
<context>
    <name>panel.tumour</name>
    <message>
        <source>&apos;{path}&apos; holds no outline.</source>
        <translation>„{path}“ enthält keine Kontur.</translation>
    </message>
    <message>
        <source>Another CT was chosen meanwhile. Choose the first one again.</source>
        <translation>Inzwischen wurde ein anderes CT gewählt. Wählen Sie wieder das erste.</translation>
    </message>
    <message>
        <source>Check the proposed outline: accept, refine or discard it.</source>
        <translation>Prüfen Sie die vorgeschlagene Kontur: Übernehmen, verfeinern oder verwerfen Sie sie.</translation>
    </message>
    <message>
        <source>Choose or load a CT first.</source>
        <translation>Wählen oder laden Sie zuerst ein CT.</translation>
    </message>
    <message>
        <source>Draw the tumour in the slice views. The crop follows the outline.</source>
        <translation>Zeichnen Sie den Tumor in den Schichtansichten. Der Ausschnitt folgt der Kontur.</translation>
    </message>
    <message>
        <source>Importing the mask</source>
        <translation>Importieren der Maske</translation>
    </message>
    <message>
        <source>Mask of the tumour</source>
        <translation>Maske des Tumors</translation>
    </message>
    <message>
        <source>Masks (*.dcm *.nrrd *.nii *.nii.gz *.mha *.mhd);;All files (*)</source>
        <translation>Masken (*.dcm *.nrrd *.nii *.nii.gz *.mha *.mhd);;Alle Dateien (*)</translation>
    </message>
    <message>
        <source>Paint or erase in the slice views. The crop follows the outline.</source>
        <translation>Malen oder radieren Sie in den Schichtansichten. Der Ausschnitt folgt der Kontur.</translation>
    </message>
    <message>
        <source>Reading the mask</source>
        <translation>Lesen der Maske</translation>
    </message>
    <message>
        <source>The file holds several outlines. Choose the tumour&apos;s.</source>
        <translation>Die Datei enthält mehrere Konturen. Wählen Sie die des Tumors.</translation>
    </message>
    <message>
        <source>The outline is accepted. Next: the prediction.</source>
        <translation>Die Kontur ist übernommen. Als Nächstes: die Vorhersage.</translation>
    </message>
    <message>
        <source>The outline is imported. Next: the prediction.</source>
        <translation>Die Kontur ist importiert. Als Nächstes: die Vorhersage.</translation>
    </message>
    <message>
        <source>The proposed outline is discarded.</source>
        <translation>Die vorgeschlagene Kontur ist verworfen.</translation>
    </message>
    <message>
        <source>proposed tumour</source>
        <translation>vorgeschlagener Tumor</translation>
    </message>
</context>
<context>
    <name>panel.tumour_table</name>
    <message>
        <source>1 warning</source>
        <translation>1 Warnung</translation>
    </message>
    <message>
        <source>3D mm</source>
        <translation>3D mm</translation>
    </message>
    <message>
        <source>Axial mm</source>
        <translation>axial mm</translation>
    </message>
    <message>
        <source>Flags</source>
        <translation>Warnungen</translation>
    </message>
    <message>
        <source>Predictions</source>
        <translation>Vorhersagen</translation>
    </message>
    <message>
        <source>Suspicion</source>
        <translation>Verdacht</translation>
    </message>
    <message>
        <source>T stage</source>
        <translation>T-Stadium</translation>
    </message>
    <message>
        <source>Too large for a tumour.</source>
        <translation>Zu groß für einen Tumor.</translation>
    </message>
    <message>
        <source>Tumour</source>
        <translation>Tumor</translation>
    </message>
    <message>
        <source>mL</source>
        <translation>ml</translation>
    </message>
    <message>
        <source>none</source>
        <translation>keine</translation>
    </message>
    <message>
        <source>not rated</source>
        <translation>nicht bewertet</translation>
    </message>
    <message>
        <source>{n} warnings</source>
        <translation>{n} Warnungen</translation>
    </message>
    <message>
        <source>{prediction} (out of date)</source>
        <translation>{prediction} (veraltet)</translation>
    </message>
</context>
</TS>
