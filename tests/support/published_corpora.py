"""Published corpora in miniature: files and tables as their publishers document them, and what they say."""

import shutil

NAMED = {
    "emodb": {"wav/03a01Fa.wav": ("03", "male", "happiness"), "wav/16b10Wb.wav": ("16", "female", "anger")},
    "ravdess": {
        "Actor_12/03-01-06-01-02-01-12.wav": ("12", "female", "fear"),
        "Actor_01/03-01-02-02-01-02-01.wav": ("01", "male", "calm"),
        "Actor_01/03-02-02-02-01-02-01.wav": None,
    },
    "cremad": {
        "AudioWAV/1001_DFA_ANG_XX.wav": ("1001", "", "anger"),
        "AudioWAV/1040_ITH_SAD_X.wav": ("1040", "", "sadness"),
    },
    "tess": {
        "OAF_angry/OAF_back_angry.wav": ("OA", "female", "anger"),
        "YAF_pleasant_surprised/YAF_bar_ps.wav": ("YA", "female", "surprise"),
        "OAF_neutral/OA_bite_neutral.wav": ("OA", "female", "neutral"),
    },
    "savee": {
        "AudioData/DC/sa03.wav": ("DC", "male", "sadness"),
        "AudioData/KL/su15.wav": ("KL", "male", "surprise"),
        "JE_d07.wav": ("JE", "male", "disgust"),
    },
    "emovo": {"f1/rab-f1-b2.wav": ("f1", "female", "anger"), "m3/gio-m3-l4.wav": ("m3", "male", "happiness")},
    "demos": {
        "DEMOS/PR_f_01_rab01a.wav": ("01", "female", "anger"),
        "DEMOS/NP_m_69_col12b.wav": ("69", "male", "guilt"),
    },
    "turev": {
        "Sound Source/Angry/1157_kz_beste.wav": ("1157", "", "anger"),
        "Sound Source/Calm/1234_sk_algi.wav": ("1234", "", "calm"),
    },
    "baved": {"3/15-m-20-3-1-357.wav": ("15", "male", "neutral"), "0/40-f-23-0-2-1900.wav": ("40", "female", "high")},
    "casia": {
        "liuchanhong/angry/201.wav": ("liuchanhong", "", "anger"),
        "zhaoquanyin/sad/250.wav": ("zhaoquanyin", "", "sadness"),
    },
    "urdu": {"Angry/SM1_F1_A01.wav": ("SM1", "male", "anger"), "Sad/SF12_F3_S10.wav": ("SF12", "female", "sadness")},
    "enterface": {
        "subject 1/anger/sentence 1/s1_an_1.wav": ("1", "", "anger"),
        "subject 11/fear/sentence 2/s12_fe_2.wav": ("11", "", "fear"),
        "subject 3/sadness/sentence 4/s_3_sa_4.wav": ("3", "", "sadness"),
        "subject 16/surprise/sentence 3/s16_su_3avi.wav": ("16", "", "surprise"),
        "subject 6/anger/s6_an_2.wav": ("6", "", "anger"),
    },
    "shemo": {"female/F01A02.wav": ("F01", "female", "anger"), "male/M44W01.wav": ("M44", "male", "surprise")},
    "cafe": {"Colère/Faible/01-C-1-1.wav": ("01", "male", "anger"), "Neutre/12-N-1-6.wav": ("12", "female", "neutral")},
}  # fmt: skip
"""Files of each corpus, and the speaker, sex and emotion that the publisher says; None where it is not meant."""

EVALUATIONS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
C-E4:\tNeutral;\t()
C-F1:\tNeutral;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tHappiness;\t()
C-E3:\tExcited;\t(amused)
C-E4:\tAnger;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F002\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tFrustration;\t()
C-E4:\tAnger;\t()

[19.2900 - 20.7875]\tSes01F_impro01_F003\tfru\t[2.5000, 3.5000, 3.5000]
C-E2:\tFrustration;\t()
C-E3:\tFrustration;\tAnger;\t()
C-E4:\tAnger; Sadness;\t()
"""
UTTERANCES = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01"
CHUNKS = "IS2009EmotionChallenge/chunk_labels_5cl_corpus.txt"
TABLED = {
    "iemocap": (
        {"Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": EVALUATIONS},
        [f"{UTTERANCES}_{name}.wav" for name in ("F000", "M001", "F002", "F003")],
        [
            ("Ses01F", "female", "neutral", "", ""),
            ("Ses01M", "male", "happiness", "", ""),
        ],
    ),
    "msp-podcast": (
        {
            "Labels/labels_consensus.csv": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
            "MSP-PODCAST_0001_0008.wav,H,5.2,7,4,127,Female,Train\n"
            "MSP-PODCAST_0002_0033.wav,X,4.0,4.0,4.0,127,Female,Train\n"
            "MSP-PODCAST_0003_0011.wav,N,1,4,,9,Male,Test2\n"
            "MSP-PODCAST_0004_0009.wav,N,4,4,4,Unknown,Male,Development\n"
        },
        [f"Audios/MSP-PODCAST_000{name}.wav" for name in ("1_0008", "2_0033", "3_0011", "4_0009")],
        [("127", "female", "happiness", "", "train"), ("9", "male", "neutral", "", "test")],
    ),
    "meld": (
        {
            "train_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            '1,"also I was, well",Chandler,joy,positive,0,0\n',
            "dev_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            "1,Oh my God,Phoebe,surprise,negative,0,0\n",
            "test_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            "1,Why,Mark,neutral,neutral,2,13\n",
        },
        [
            "train_splits/dia0_utt0.wav",
            "dev_splits_complete/dia0_utt0.wav",
            "output_repeated_splits_test/dia2_utt13.wav",
        ],
        [
            ("Chandler", "", "happiness", "", "train"),
            ("Phoebe", "", "surprise", "", "devel"),
            ("Mark", "", "neutral", "", "test"),
        ],
    ),
    "fau-aibo": (
        {f"labels/{CHUNKS}": "Ohm_01_000_00 N 0.6\nOhm_31_003_00 E 1.0\nMont_01_000_00 P 0.5\n"},
        ["wav/Ohm_01_000_00.wav", "wav/Ohm_31_003_00.wav", "wav/Mont_01_000_00.wav"],
        [
            ("Ohm_01", "", "neutral", "", ""),
            ("Ohm_31", "", "emphatic", "", ""),
            ("Mont_01", "", "positive", "", "test"),
        ],
    ),
    "nemo": (
        {
            "data.tsv": "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
            'SB0_anger_1.wav\tanger\tOna "mówi".\tona mówi\tSB0\tfemale\t25\n'
            "KB0_surprised_2.wav\tsurprised\tCo?\tco\tKB0\tmale\t30\n"
        },
        ["samples/SB0_anger_1.wav", "samples/KB0_surprised_2.wav"],
        [("SB0", "female", "anger", "ona mówi", ""), ("KB0", "male", "surprise", "co", "")],
    ),
    "emofilm": (
        {"f_m_corpus_it_es_en_legend.csv": "file,film,speaker\nf_ans001en,Alien,Sigourney Weaver\nm_tri002it,X,Y Z\n"},
        ["f_ans001en.wav", "m_tri002it.wav"],
        [("sigourney weaver", "female", "fear", "", ""), ("y z", "male", "sadness", "", "")],
    ),
    "librispeech": (
        {"dev-clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT IN LESS\n"},
        ["dev-clean/84/121123/84-121123-0000.flac", "dev-clean/84/121123/84-121123-0001.flac"],
        [("84", "", "", "GO DO YOU HEAR", "devel"), ("84", "", "", "BUT IN LESS", "devel")],
    ),
    "common-voice": (
        {
            "train.tsv": "client_id\tpath\tsentence\tage\tgender\nab1\tcv_1.mp3\tHe said \"no.\t\tmale_masculine\n",
            "dev.tsv": "client_id\tpath\tsentence\tage\tgender\nab2\tcv_2.mp3\tYes.\t\tfemale\n",
            "test.tsv": "client_id\tpath\tsentence\tage\tgender\nab3\tcv_3.mp3\tWell.\t\t\n",
        },
        ["clips/cv_1.mp3", "clips/cv_2.mp3", "clips/cv_3.mp3"],
        [
            ("ab1", "male", "", 'He said "no.', "train"),
            ("ab2", "female", "", "Yes.", "devel"),
            ("ab3", "", "", "Well.", "test"),
        ],
    ),
    "voxforge": (
        {
            "Aaron-20080318-kdl/etc/PROMPTS": "Aaron-20080318-kdl/mfc/b0019 AT LAST\n",
            "anonymous-20080425-hvk/etc/PROMPTS": "anonymous-20080425-hvk/mfc/a0001 SHE TURNED\n",
        },
        ["Aaron-20080318-kdl/wav/b0019.wav", "anonymous-20080425-hvk/flac/a0001.flac"],
        [("Aaron", "", "", "AT LAST", ""), ("anonymous-20080425-hvk", "", "", "SHE TURNED", "")],
    ),
    "ted-lium": (
        {
            "dev/stm/AlGore_2009.stm": ";; comment\n"
            "AlGore_2009 1 AlGore_2009 0.05 0.15 <o,f0,male> last year i showed <unk> these\n"
            "AlGore_2009 1 inter_segment_gap 0.15 0.20 <o,,unknown> ignore_time_segment_in_scoring\n"
        },
        ["dev/sph/AlGore_2009.wav"],
        [("AlGore_2009", "male", "", "last year i showed   these", "devel")],
    ),
}  # fmt: skip
"""Tables and recordings of each corpus, and what they say: speaker, sex, emotion, transcript and partition."""


def lay_out(folder, recordings, sound, tables=()):
    """Write the miniature."""
    for name in recordings:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sound[path.suffix], path)
    for name, text in dict(tables).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
